import ChatModel
import Synchronization
import Testing

@testable import AMQP
@testable import JobRunner

@Suite struct AnswerStreamTests {
    /// A stream and what its callbacks said.
    final class Fixture: Sendable {
        let resumed = Atomic<Int>(0)
        let attempts = Mutex<[Int64]>([])
        let takenBack = Atomic<Int>(0)

        func makeStream(
            owesReset: Bool = false, highWater: Int = 1_000, hasQueue: Bool = true, attempt: Int = 1
        ) -> AnswerStream {
            let address = ReplyAddress(
                queue: "chat.reply.a", job: "j", customer: "a", correlationID: "c", plan: TopologyPlan())
            return AnswerStream(
                identifier: 1, address: hasQueue ? address : nil, attempt: AttemptNumber(tryNumber: attempt),
                owesReset: owesReset,
                defaults: .init(id: "x", model: "m", created: 1), highWater: highWater,
                onResume: { self.resumed.add(1, ordering: .relaxed) },
                onAttemptChanged: { attempt in self.attempts.withLock { $0.append(attempt.value) } },
                onTakenBack: { self.takenBack.add(1, ordering: .relaxed) })
        }
    }

    static func append(_ text: String, to stream: AnswerStream) -> AnswerStream.Appended {
        let message = Array(#"{"id":"1","choices":[{"index":0,"delta":{"content":"\#(text)"}}]}"#.utf8)
        return message.withUnsafeBytes { bytes in
            guard case .chunk(let chunk) = FrameScanner.scan(bytes) else {
                Issue.record("not a chunk")
                return .init(enqueue: false, pause: false, outputBytes: 0, count: 0)
            }
            return stream.append(chunk, in: bytes)
        }
    }

    /// One take, in words.
    static func take(_ stream: AnswerStream) -> String {
        var output: [UInt8] = []
        switch stream.take(into: &output) {
        case .chunk(_, let more):
            let body = try? JSONValue(parsing: output)
            let text = body?["choices"]?.arrayValue?.first?["delta"]?["content"]?.stringValue ?? "?"
            return "chunk \(text)\(more ? " more" : "")"
        case .reset: return "reset"
        case .ended(let after): return "ended after \(after)"
        case .nothing: return "nothing"
        }
    }

    static func terminal(_ attempt: Int = 1) throws -> AnswerStream.Terminal {
        let message = DurableMessage(
            template: try PublishTemplate(exchange: "", routingKey: "q", properties: MessageProperties()), body: [7],
            routing: .required, settled: { _ in })
        return AnswerStream.Terminal(
            attempt: AttemptNumber(tryNumber: attempt), generation: 1, companions: [message])
    }

    /// A lease for the deliveries of connection 1.
    static func lease() -> DeliveryLease {
        let lease = DeliveryLease()
        lease.begin(generation: 1, heartbeat: 1_000_000_000_000, now: Monotonic.now())
        return lease
    }

    /// The bodies of what the end consists of; `nil` where it is not to go now.
    static func close(_ stream: AnswerStream, while lease: DeliveryLease = lease()) -> [[UInt8]]? {
        if case .now(let messages, _) = stream.close(while: lease) { messages.map(\.body) } else { nil }
    }

    @Test func standsOnTheListOnce() {
        let stream = Fixture().makeStream()
        #expect(Self.append("a", to: stream).enqueue)
        #expect(!Self.append("b", to: stream).enqueue)
        #expect(Self.take(stream) == "chunk ab")
        #expect(Self.take(stream) == "nothing")
        #expect(Self.append("c", to: stream).enqueue)
        #expect(Self.take(stream) == "chunk c")
    }

    @Test func theTerminalComesAfterEveryChunk() throws {
        let stream = Fixture().makeStream()
        _ = Self.append("a", to: stream)
        #expect(try !stream.finish(Self.terminal()), "it is on the list already")
        #expect(Self.take(stream) == "chunk a more")
        stream.published(7)
        #expect(Self.take(stream) == "ended after 7")
        #expect(Self.close(stream) == [[7]])
        #expect(Self.close(stream) == nil, "once")
        #expect(Self.take(stream) == "nothing")
    }

    @Test func aLostConnectionSaysAllAgainUnderTheNextAttempt() throws {
        let fixture = Fixture()
        let stream = fixture.makeStream()
        _ = Self.append("a", to: stream)
        #expect(Self.take(stream) == "chunk a")
        stream.published(9)
        _ = Self.append("b", to: stream)
        #expect(!stream.rewind(), "it stands on the list")
        #expect(Self.take(stream) == "reset")
        #expect(Self.take(stream) == "chunk ab")
        #expect(fixture.attempts.withLock { $0 } == [2])
        #expect(try !stream.finish(Self.terminal(1)), "made for an attempt that is over")
        #expect(try stream.finish(Self.terminal(2)))
        #expect(Self.take(stream) == "ended after 0")
    }

    @Test func aRewindVoidsTheTerminalThatWaitedForItsChunks() throws {
        let fixture = Fixture()
        let stream = fixture.makeStream()
        _ = Self.append("a", to: stream)
        _ = try stream.finish(Self.terminal())
        #expect(Self.take(stream) == "chunk a more")
        #expect(Self.take(stream) == "ended after 0")
        #expect(stream.rewind())
        #expect(Self.close(stream) == nil)
        #expect(Self.take(stream) == "reset")
        #expect(Self.take(stream) == "chunk a")
        #expect(try stream.finish(Self.terminal(2)))
    }

    private static let fault = Undeliverable(AMQPError(.connectionClosed, "INTERNAL_ERROR", replyCode: 541))

    /// The address is dead: nothing is published to it any more, and the end goes with what is not a reply.
    @Test func aJobWhoseRepliesAreGivenUpEndsWithoutThem() throws {
        let fixture = Fixture()
        let stream = fixture.makeStream(highWater: 1)
        #expect(Self.append("abc", to: stream).pause)
        #expect(Self.take(stream) == "chunk abc")
        let fault = try #require(Self.fault)
        // Suspected, it is rewound, and published alone: with its reset it is found to be the one.
        #expect(stream.rewind())
        #expect(Self.take(stream) == "reset")
        stream.giveUpReplies(fault)
        #expect(stream.isUnreachable && !stream.rewind())
        #expect(!Self.append("def", to: stream).enqueue)
        let settled = Mutex<[DurableMessage.Settlement]>([])
        var terminal = try Self.terminal(2)
        terminal.reply = DurableMessage(
            template: try PublishTemplate(exchange: "", routingKey: "dead", properties: MessageProperties()), body: [8],
            routing: .told, isReply: true, settled: { settlement in settled.withLock { $0.append(settlement) } })
        #expect(stream.finish(terminal))
        #expect(Self.take(stream) == "ended after 0")
        #expect(stream.rewind(), "a loss in the meantime does not strand its end")
        #expect(Self.take(stream) == "ended after 0")
        #expect(Self.close(stream) == [[7]])
        #expect(settled.withLock { $0 } == [.undeliverable(fault)])
        #expect(fixture.attempts.withLock { $0 } == [2], "nobody reads later ones")
    }

    /// The text is too large for the broker: the end goes alone, under the number that the chunk would have had.
    @Test func aMutedAnswerSaysItsEndOnly() throws {
        let fixture = Fixture()
        let stream = fixture.makeStream()
        _ = Self.append("abc", to: stream)
        #expect(Self.take(stream) == "chunk abc")
        stream.mute()
        #expect(!stream.rewind())
        #expect(fixture.attempts.withLock { $0 } == [2])
        #expect(!Self.append("def", to: stream).enqueue)
        #expect(try stream.finish(Self.terminal(2)))
        #expect(Self.take(stream) == "ended after 0")
        #expect(Self.close(stream) == [[7]])
        stream.reopen(hasReply: true)
        #expect(try stream.finish(Self.terminal(2)), "a second end, shorter than the first")
        #expect(Self.take(stream) == "ended after 0")
        #expect(Self.close(stream) == [[7]])
    }

    @Test func whatWasNeverSentIsNotRewound() {
        let fixture = Fixture()
        let stream = fixture.makeStream()
        #expect(!stream.rewind())
        _ = Self.append("a", to: stream)
        #expect(!stream.rewind())
        #expect(Self.take(stream) == "chunk a")
        #expect(fixture.attempts.withLock { $0 }.isEmpty)
    }

    @Test func aResetOpensAnAttemptWithAPredecessor() {
        let stream = Fixture().makeStream(owesReset: true)
        _ = Self.append("a", to: stream)
        #expect(Self.take(stream) == "reset")
        #expect(Self.take(stream) == "chunk a")
    }

    @Test func aRestartThrowsTheTextAway() {
        let stream = Fixture().makeStream()
        _ = Self.append("old", to: stream)
        #expect(Self.take(stream) == "chunk old")
        let second = stream.restart(
            attempt: AttemptNumber(tryNumber: 2), defaults: .init(id: "y", model: "m", created: 1))
        #expect(second.value == 2)
        #expect(Self.append("new", to: stream).enqueue)
        #expect(Self.take(stream) == "reset")
        #expect(Self.take(stream) == "chunk new")
    }

    /// The publisher thread had begun attempt 2 when the event loop chose that number for its next try.
    @Test func aRestartTakesAnAttemptThatIsFree() {
        let stream = Fixture().makeStream()
        _ = Self.append("old", to: stream)
        #expect(Self.take(stream) == "chunk old")
        #expect(stream.rewind())
        let next = stream.restart(
            attempt: AttemptNumber(tryNumber: 2), defaults: .init(id: "y", model: "m", created: 1))
        #expect(next.value == 3)
    }

    @Test func anEndWaitsWhileItsDeliveryIsInDoubt() throws {
        let stream = Fixture().makeStream()
        _ = Self.append("a", to: stream)
        _ = try stream.finish(Self.terminal())
        let lease = DeliveryLease()
        lease.begin(generation: 1, heartbeat: 1_000, now: 1)
        guard case .later = stream.close(while: lease) else {
            Issue.record("published without a lease")
            return
        }
        lease.begin(generation: 2, heartbeat: 1_000_000_000_000, now: Monotonic.now())
        #expect(Self.close(stream, while: lease) == nil, "another connection's lease")
        #expect(Self.close(stream) == [[7]])
    }

    @Test func anEndIsTakenBackUntilItGoes() throws {
        let stream = Fixture().makeStream()
        #expect(!stream.recall())
        _ = Self.append("a", to: stream)
        _ = try stream.finish(Self.terminal())
        #expect(stream.recall())
        #expect(Self.close(stream) == nil)
        #expect(Self.take(stream) == "chunk a")
        #expect(try stream.finish(Self.terminal()))
        #expect(Self.close(stream) == [[7]])
        #expect(!stream.recall(), "it is on its way")
    }

    @Test func backPressure() {
        let fixture = Fixture()
        let stream = fixture.makeStream(highWater: 10)
        #expect(!Self.append("1234567890", to: stream).pause)
        #expect(Self.append("1", to: stream).pause)
        #expect(!Self.append("2", to: stream).pause, "once is enough")
        #expect(fixture.resumed.load(ordering: .relaxed) == 0)
        #expect(Self.take(stream) == "chunk 123456789012")
        #expect(fixture.resumed.load(ordering: .relaxed) == 1)
        _ = Self.take(stream)
        #expect(fixture.resumed.load(ordering: .relaxed) == 1)
    }

    /// A reply queue that stays full must not keep the job for ever: its end goes alone, in an attempt without a gap.
    @Test func chunksThatAreRefusedAgainAndAgainAreLeftOut() throws {
        let fixture = Fixture()
        let stream = fixture.makeStream()
        _ = Self.append("a", to: stream)
        for attempt in 1...(DurableMessage.mostRefusals + 1) {
            if attempt > 1 { #expect(Self.take(stream) == "reset") }
            #expect(Self.take(stream) == "chunk a")
            stream.published(7)
            // Until the gateway has said all it is tried again without end.
            #expect(stream.rewind(because: .refused))
            #expect(Self.take(stream) == "reset")
            #expect(Self.take(stream) == "chunk a")
            let isQueued = try stream.finish(Self.terminal(2 * attempt))
            #expect(isQueued && Self.take(stream) == "ended after 0")
            #expect(stream.rewind(because: .refused) == (attempt <= DurableMessage.mostRefusals))
        }
        let last = try #require(fixture.attempts.withLock { $0.last })
        #expect(Self.take(stream) == "nothing", "its end is being made anew")
        let isQueued = try stream.finish(Self.terminal(Int(last)))
        #expect(isQueued && Self.take(stream) == "ended after 0", "no chunk in the attempt of the end")
        #expect(Self.close(stream) == [[7]])
    }

    /// The last number of a delivery is kept for the end: nothing is said twice under one number.
    @Test func theLastAttemptSaysItsEndOnly() throws {
        let fixture = Fixture()
        let stream = fixture.makeStream(highWater: 1, attempt: AttemptNumber.lastTry - 1)
        #expect(Self.append("some text", to: stream).pause)
        #expect(Self.take(stream) == "chunk some text")
        _ = Self.append("more text", to: stream)
        #expect(!stream.rewind())
        #expect(fixture.attempts.withLock { $0 } == [999])
        #expect(fixture.resumed.load(ordering: .relaxed) == 2, "nobody takes text that the gateway could wait for")
        let appended = Self.append("and more", to: stream)
        #expect(!appended.enqueue && !appended.pause)
        #expect(!stream.end(isComplete: true) && !stream.rewind(), "it has said nothing that could be lost")
        #expect(Self.take(stream) == "nothing")
        let isQueued = try stream.finish(Self.terminal(999))
        #expect(isQueued && Self.take(stream) == "ended after 0")
        #expect(stream.rewind(), "its end waits on, behind another connection")
        #expect(Self.take(stream) == "ended after 0")
        #expect(fixture.attempts.withLock { $0 } == [999])
        #expect(Self.close(stream) == [[7]])
    }

    @Test func anEndWithoutChunksOutlivesALostConnection() throws {
        let stream = Fixture().makeStream(hasQueue: false)
        let isQueued = try stream.finish(Self.terminal())
        #expect(isQueued && Self.take(stream) == "ended after 0")
        #expect(stream.rewind())
        #expect(Self.take(stream) == "ended after 0")
        #expect(Self.close(stream) == [[7]])
    }

    @Test func withoutAReplyQueueOnlyTheEndCounts() throws {
        let stream = Fixture().makeStream(highWater: 1, hasQueue: false)
        let appended = Self.append("some text", to: stream)
        #expect(!appended.enqueue && !appended.pause)
        #expect(try stream.finish(Self.terminal()))
        #expect(Self.take(stream) == "ended after 0")
    }

    @Test func nothingAfterItWasAbandoned() throws {
        let stream = Fixture().makeStream()
        _ = Self.append("a", to: stream)
        stream.abandon()
        #expect(Self.take(stream) == "nothing")
        #expect(!Self.append("b", to: stream).enqueue)
        #expect(try !stream.finish(Self.terminal()))
        #expect(!stream.rewind())
    }

    /// Nothing of an end was confirmed, and its delivery is lost: it is void, and may be told again, on another channel.
    @Test func anEndIsTakenBackAndToldAgain() throws {
        let fixture = Fixture()
        let stream = fixture.makeStream()
        _ = Self.append("a", to: stream)
        #expect(Self.take(stream) == "chunk a")
        stream.published(7)
        let isQueued = stream.finish(try Self.terminal())
        #expect(isQueued && Self.take(stream) == "ended after 7")
        #expect(Self.close(stream) != nil)
        stream.takeBack()
        stream.takeBack()
        #expect(fixture.takenBack.load(ordering: .relaxed) == 1)
        #expect(Self.close(stream) == nil && Self.take(stream) == "nothing")
        let isQueuedAgain = stream.finish(try Self.terminal())
        #expect(isQueuedAgain && Self.take(stream) == "ended after 0")
        #expect(Self.close(stream) != nil)
    }
}
