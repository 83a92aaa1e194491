import AMQP
import ChatModel
import Synchronization
import Testing

@testable import JobRunner

@Suite struct AnswerStreamTests {
    /// A stream and what its callbacks said.
    final class Fixture: Sendable {
        let resumed = Atomic<Int>(0)
        let attempts = Mutex<[Int64]>([])

        func makeStream(owesReset: Bool = false, highWater: Int = 1_000, hasQueue: Bool = true) -> AnswerStream {
            let address = ReplyAddress(
                queue: "chat.reply.a", job: "j", customer: "a", correlationID: "c", plan: TopologyPlan())
            return AnswerStream(
                identifier: 1, address: hasQueue ? address : nil, attempt: AttemptNumber(), owesReset: owesReset,
                defaults: .init(id: "x", model: "m", created: 1), highWater: highWater,
                onResume: { self.resumed.add(1, ordering: .relaxed) },
                onAttemptChanged: { attempt in self.attempts.withLock { $0.append(attempt.value) } })
        }
    }

    static func append(_ text: String, to stream: AnswerStream) -> AnswerStream.Appended {
        let message = Array(#"{"id":"1","choices":[{"index":0,"delta":{"content":"\#(text)"}}]}"#.utf8)
        return message.withUnsafeBytes { bytes in
            guard case .chunk(let chunk) = FrameScanner.scan(bytes) else {
                Issue.record("not a chunk")
                return .init(enqueue: false, pause: false)
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
        return AnswerStream.Terminal(attempt: AttemptNumber(tryNumber: attempt), companions: [message])
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
        #expect(stream.close().map(\.body) == [[7]])
        #expect(stream.close().isEmpty, "once")
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
        #expect(stream.close().isEmpty)
        #expect(Self.take(stream) == "reset")
        #expect(Self.take(stream) == "chunk a")
        #expect(try stream.finish(Self.terminal(2)))
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
        stream.restart(attempt: AttemptNumber(tryNumber: 2), defaults: .init(id: "y", model: "m", created: 1))
        #expect(Self.append("new", to: stream).enqueue)
        #expect(Self.take(stream) == "reset")
        #expect(Self.take(stream) == "chunk new")
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
}
