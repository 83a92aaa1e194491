import NIOCore
import Testing

@testable import Gateway

@Suite struct GatewayStreamMachineTests {
    typealias Action = GatewayStreamMachine.Action
    typealias Chunk = GatewayStreamMachine.Chunk

    enum Event: Sendable {
        case connect, connected, written, writtenReused, flushed
        case text
        /// A chunk of one choice's output; with a finish reason beside it; one that says that it was broken off.
        case output(UInt64)
        case textAndFinish
        case textFinishAndUsage
        case interruption
        /// A chunk without output, such as a role, or an empty one as a keep-alive.
        case empty
        case nothing
        case finish(UInt64)
        case finishWithUsage(UInt64)
        case usage
        case textWithUsage
        case late, mixed
        case done, lateDone
        case error, unreadable
        case fault(WebSocketFault)
        case closed(UInt16?)
        case disconnected
        case wait(Int64)
        case pause, resume
        case cancel, shutDown
        case connectFailed
        /// Over HTTP: the head of an answer, the end of its body, an answer that is no stream.
        case answerBegan, bodyEnded
        case refused(isWhole: Bool)
    }

    enum Outcome: Sendable, Equatable {
        case none, deliver, late, restart
        case last(GatewayStreamMachine.Farewell)
        case complete(GatewayStreamMachine.Farewell)
        case cancelled(GatewayStreamMachine.Farewell)
        /// Code, stage, retryable.
        case failed(String, GatewayFailure.Stage, Bool, GatewayStreamMachine.Farewell)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var choices = 1
        var knowledge = GatewayStreamMachine.Knowledge()
        var events: [Event]
        /// The last event's outcome.
        var expected: Outcome

        init(
            _ name: String, choices: Int = 1, of knowledge: GatewayStreamMachine.Knowledge = .init(),
            _ events: [Event], _ expected: Outcome
        ) {
            testDescription = name
            self.choices = choices
            self.knowledge = knowledge
            self.events = events
            self.expected = expected
        }
    }

    static let patience = GatewayStreamMachine.Patience(
        connect: .seconds(10), firstChunk: .seconds(20), idle: .seconds(30), endGrace: .milliseconds(500))
    static let gatewayError = GatewayFailure(
        stage: .streaming, code: "gateway_rate_limited", message: "", isRetryable: true)
    static let fresh: [Event] = [.connect, .connected, .written, .flushed]

    static let body = GatewayStreamMachine.Knowledge(isBody: true)
    static let withdrawing = GatewayStreamMachine.Knowledge(withdrawsFinish: true)
    static let withoutUsage = GatewayStreamMachine.Knowledge(awaitsUsage: false)

    @Test(arguments: ends + claims + failures + timeouts + isolation + pauses)
    func table(_ test: Case) {
        var outcome = Outcome.none
        var machine = GatewayStreamMachine(
            choiceCount: test.choices, patience: Self.patience, knowledge: test.knowledge)
        var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
        for event in test.events { outcome = Self.apply(event, to: &machine, now: &now) }
        #expect(outcome == test.expected)
    }

    static func apply(_ event: Event, to machine: inout GatewayStreamMachine, now: inout NIODeadline) -> Outcome {
        let action: Action
        switch event {
        case .connect:
            machine.connect(now: now)
            return .none
        case .connected:
            machine.connected()
            return .none
        case .written, .writtenReused:
            if case .writtenReused = event {
                machine.requestWritten(onReusedConnection: true, now: now)
            } else {
                machine.requestWritten(onReusedConnection: false, now: now)
            }
            return .none
        case .flushed:
            machine.requestFlushed(now: now)
            return .none
        case .pause:
            machine.pause()
            return .none
        case .resume:
            machine.resume(now: now)
            return .none
        case .answerBegan:
            machine.answerBegan()
            return .none
        case .wait(let milliseconds):
            now = now + .milliseconds(milliseconds)
            action = machine.timeout(now: now)
        case .text: action = machine.chunk(Chunk(verdict: .own, outputChoices: 1), now: now)
        case .output(let bits): action = machine.chunk(Chunk(verdict: .own, outputChoices: bits), now: now)
        case .textAndFinish:
            action = machine.chunk(Chunk(verdict: .own, finishedChoices: 1, outputChoices: 1), now: now)
        case .textFinishAndUsage:
            action = machine.chunk(
                Chunk(verdict: .own, finishedChoices: 1, outputChoices: 1, hasUsage: true), now: now)
        case .interruption:
            action = machine.chunk(Chunk(verdict: .own, finishedChoices: 1, interruption: "abort"), now: now)
        case .empty: action = machine.chunk(Chunk(verdict: .own), now: now)
        case .nothing:
            machine.heardNothing()
            return .none
        case .finish(let bits): action = machine.chunk(Chunk(verdict: .own, finishedChoices: bits), now: now)
        case .finishWithUsage(let bits):
            action = machine.chunk(Chunk(verdict: .own, finishedChoices: bits, hasUsage: true), now: now)
        case .usage: action = machine.chunk(Chunk(verdict: .own, hasUsage: true, hasChoices: false), now: now)
        case .textWithUsage:
            action = machine.chunk(Chunk(verdict: .own, outputChoices: 1, hasUsage: true), now: now)
        case .late: action = machine.chunk(Chunk(verdict: .late), now: now)
        case .mixed: action = machine.chunk(Chunk(verdict: .mixed), now: now)
        case .done: action = machine.done(isLate: false)
        case .lateDone: action = machine.done(isLate: true)
        case .error: action = machine.errorMessage(gatewayError)
        case .unreadable: action = machine.unreadable("x")
        case .fault(let fault): action = machine.fault(fault)
        case .closed(let code): action = machine.closed(code: code)
        case .disconnected: action = machine.disconnected()
        case .bodyEnded: action = machine.bodyEnded()
        case .refused(let isWhole): action = machine.refused(gatewayError, isWhole: isWhole)
        case .cancel: action = machine.cancel()
        case .shutDown: action = machine.shutDown()
        case .connectFailed: action = machine.connectFailed(.unreachable(.connect, "x"))
        }
        return switch action {
        case .none: .none
        case .deliver: .deliver
        case .deliverLast(let farewell): .last(farewell)
        case .dropLate: .late
        case .restart: .restart
        case .end(.complete, let farewell): .complete(farewell)
        case .end(.cancelled, let farewell): .cancelled(farewell)
        case .end(.failed(let failure), let farewell):
            .failed(failure.code, failure.stage, failure.isRetryable, farewell)
        }
    }

    static let ends: [Case] = [
        Case("text is handed on", fresh + [.text], .deliver),
        Case("usage after the finish ends", fresh + [.text, .finish(1), .usage], .last(.reuse(sawDone: false))),
        Case("usage with the finish ends", fresh + [.text, .finishWithUsage(1)], .last(.reuse(sawDone: false))),
        Case("running usage does not end", fresh + [.textWithUsage, .finishWithUsage(1)], .deliver),
        Case(
            "the total after running usage ends", fresh + [.textWithUsage, .finishWithUsage(1), .usage],
            .last(.reuse(sawDone: false))),
        Case("[DONE] ends", fresh + [.text, .finish(1), .done], .complete(.reuse(sawDone: true))),
        Case("silence ends", fresh + [.text, .finish(1), .wait(500)], .complete(.reuse(sawDone: false))),
        Case("not before the grace is over", fresh + [.text, .finish(1), .wait(499)], .none),
        Case("what follows the finish is handed on", fresh + [.finish(1), .wait(400), .text], .deliver),
        Case("close 1000 ends", fresh + [.finish(1), .closed(1000)], .complete(.close(1000))),
        Case("any close ends", fresh + [.finish(1), .closed(1011)], .complete(.close(1000))),
        Case("the end of the body ends", fresh + [.finish(1), .bodyEnded], .complete(.reuse(sawDone: true))),
        Case("end of file ends", fresh + [.finish(1), .disconnected], .complete(.close(1000))),
        Case(
            "an error after the finish is an error", fresh + [.finish(1), .error],
            .failed("gateway_rate_limited", .streaming, true, .close(1000))),
        Case("rubbish changes nothing", fresh + [.finish(1), .unreadable], .complete(.close(1003))),
        Case("nor does a broken frame", fresh + [.finish(1), .fault(.reservedBits)], .complete(.close(1002))),
        Case("usage before the finish does not end", fresh + [.text, .usage], .deliver),
        Case("one of two choices", choices: 2, fresh + [.finish(1), .wait(500)], .none),
        Case("usage after one of two", choices: 2, fresh + [.finish(1), .usage], .deliver),
        Case("[DONE] after one of two", choices: 2, fresh + [.finish(1), .done], .complete(.reuse(sawDone: true))),
        Case(
            "[DONE] after one of two that spoke", choices: 2, fresh + [.output(1), .output(2), .finish(1), .done],
            .failed("gateway_incomplete", .streaming, false, .close(1000))),
        Case("silence after one of two", choices: 2, fresh + [.finish(1), .wait(30_000)], .complete(.close(1000))),
        Case("both choices", choices: 2, fresh + [.finish(1), .finish(2), .usage], .last(.reuse(sawDone: false))),
        Case("both in one chunk", choices: 2, fresh + [.finish(3), .done], .complete(.reuse(sawDone: true))),
        Case("a choice twice is one", choices: 2, fresh + [.finish(1), .finish(1), .wait(500)], .none),
        Case("64 choices", choices: 64, fresh + [.finish(.max), .done], .complete(.reuse(sawDone: true))),
        Case("65 choices, 64 finished", choices: 65, fresh + [.finish(.max), .wait(500)], .none),
        Case(
            "65 choices", choices: 65, fresh + [.finish(.max), .finish(1 << 63), .wait(500)],
            .complete(.reuse(sawDone: false))),
        Case("no choice at all counts as one", choices: 0, fresh + [.text], .deliver),
        Case("after the end nothing counts", fresh + [.finish(1), .done, .text], .none),
        Case("not even a cancel", fresh + [.finish(1), .done, .cancel], .none),
        Case("cancelled", fresh + [.text, .cancel], .cancelled(.abort)),
        Case("cancelled while connecting", [.connect, .cancel], .cancelled(.abort)),
        Case("cancelled once", fresh + [.cancel, .cancel], .none),
    ]

    /// A finish reason is a claim.
    static let claims: [Case] = [
        Case("one beside text waits longer", fresh + [.textAndFinish, .wait(1_999)], .none),
        Case("but not for ever", fresh + [.textAndFinish, .wait(2_000)], .complete(.reuse(sawDone: false))),
        Case("text withdraws it", fresh + [.textAndFinish, .text, .wait(29_999)], .none),
        Case(
            "and then the idle clock counts", fresh + [.textAndFinish, .text, .wait(30_000)],
            .failed("gateway_idle_timeout", .streaming, true, .close(1001))),
        Case(
            "withdrawn once, it is not trusted", fresh + [.textAndFinish, .textAndFinish, .wait(29_999)], .none),
        Case(
            "[DONE] ends all the same", fresh + [.textAndFinish, .textAndFinish, .done],
            .complete(.reuse(sawDone: true))),
        Case("usage beside it is no total", fresh + [.textFinishAndUsage], .deliver),
        Case(
            "usage in every chunk, and in the end [DONE]", fresh + [.textFinishAndUsage, .textFinishAndUsage, .done],
            .complete(.reuse(sawDone: true))),
        Case(
            "a close in the middle", fresh + [.textAndFinish, .textAndFinish, .disconnected],
            .failed("gateway_closed", .streaming, true, .close(1000))),
        Case("a goodbye", fresh + [.textAndFinish, .closed(1000)], .complete(.close(1000))),
        Case(
            "no goodbye", fresh + [.textAndFinish, .closed(1011)],
            .failed("gateway_closed_internal_error", .streaming, true, .close(1000))),
        Case("of a known gateway", of: withdrawing, fresh + [.finish(1), .wait(29_999)], .none),
        Case("no usage was asked for", of: withoutUsage, fresh + [.text, .finish(1)], .last(.reuse(sawDone: false))),
        Case("beside text that is no end", of: withoutUsage, fresh + [.textAndFinish], .deliver),
        Case("nor over HTTP", of: .init(isBody: true, awaitsUsage: false), fresh + [.text, .finish(1)], .deliver),
        Case("the open body is awaited", of: body, fresh + [.text, .finish(1), .wait(9_999)], .none),
        Case("for a while", of: body, fresh + [.text, .finish(1), .wait(10_000)], .complete(.reuse(sawDone: false))),
        Case(
            "the body ends after a claim", of: body, fresh + [.textAndFinish, .textAndFinish, .bodyEnded],
            .complete(.reuse(sawDone: true))),
        Case(
            "broken off", fresh + [.text, .interruption, .done],
            .failed("gateway_interrupted", .streaming, true, .reuse(sawDone: true))),
        Case(
            "broken off, with usage", fresh + [.text, .interruption, .usage],
            .failed("gateway_interrupted", .streaming, true, .reuse(sawDone: false))),
        Case(
            "broken off, it seemed", fresh + [.text, .interruption, .text, .finish(1), .done],
            .complete(.reuse(sawDone: true))),
        Case(
            "empty chunks are no beginning", fresh + [.wait(15_000), .empty, .wait(5_000)],
            .failed("gateway_first_chunk_timeout", .firstChunk, true, .close(1001))),
        Case(
            "and no sign of life", fresh + [.text, .wait(20_000), .empty, .wait(10_000)],
            .failed("gateway_idle_timeout", .streaming, true, .close(1001))),
        Case(
            "nothing is nothing", fresh + [.text, .wait(20_000), .nothing, .wait(10_000)],
            .failed("gateway_idle_timeout", .streaming, true, .close(1001))),
    ]

    static let failures: [Case] = [
        Case(
            "unreachable", [.connect, .connectFailed], .failed("gateway_unreachable", .connect, true, .abort)),
        Case(
            "close 1000 before the finish", fresh + [.text, .closed(1000)],
            .failed("gateway_closed_early", .streaming, false, .close(1000))),
        Case(
            "close 1008", fresh + [.text, .closed(1008)],
            .failed("gateway_closed_policy", .streaming, false, .close(1000))),
        Case(
            "close 1011", fresh + [.text, .closed(1011)],
            .failed("gateway_closed_internal_error", .streaming, true, .close(1000))),
        Case(
            "close without a code", fresh + [.closed(nil)],
            .failed("gateway_closed_other", .firstChunk, true, .close(1000))),
        Case(
            "end of file", fresh + [.text, .disconnected],
            .failed("gateway_closed", .streaming, true, .close(1000))),
        Case(
            "the end of the body", fresh + [.answerBegan, .text, .bodyEnded],
            .failed("gateway_closed", .streaming, true, .close(1000))),
        Case(
            "a refusal, read to its end", fresh + [.answerBegan, .refused(isWhole: true)],
            .failed("gateway_rate_limited", .streaming, true, .reuse(sawDone: true))),
        Case(
            "a refusal without an end", fresh + [.answerBegan, .refused(isWhole: false)],
            .failed("gateway_rate_limited", .streaming, true, .abort)),
        Case(
            "[DONE] before the finish", fresh + [.text, .done],
            .failed("gateway_incomplete", .streaming, false, .close(1000))),
        Case(
            "an error", fresh + [.error], .failed("gateway_rate_limited", .streaming, true, .close(1000))),
        Case(
            "no chunk", fresh + [.unreadable], .failed("gateway_invalid_chunk", .firstChunk, false, .close(1003))),
        Case(
            "not UTF-8", fresh + [.text, .fault(.cutCharacter)],
            .failed("gateway_invalid_utf8", .streaming, false, .close(1007))),
        Case(
            "too large", fresh + [.text, .fault(.messageTooLarge)],
            .failed("gateway_message_too_large", .streaming, false, .close(1009))),
        Case(
            "against the protocol", fresh + [.text, .fault(.maskedFrame)],
            .failed("gateway_protocol_error", .streaming, false, .close(1002))),
        Case("shut down", fresh + [.text, .shutDown], .failed("gateway_shutdown", .streaming, true, .close(1001))),
    ]

    static let timeouts: [Case] = [
        Case("connecting", [.connect, .wait(9999)], .none),
        Case(
            "connecting too long", [.connect, .wait(10_000)], .failed("gateway_connect_timeout", .connect, true, .abort)
        ),
        Case(
            "the upgrade is in the same time", [.connect, .wait(6000), .connected, .wait(4000)],
            .failed("gateway_connect_timeout", .upgrade, true, .abort)),
        Case("no first chunk yet", fresh + [.wait(19_999)], .none),
        Case(
            "no first chunk", fresh + [.wait(20_000)],
            .failed("gateway_first_chunk_timeout", .firstChunk, true, .close(1001))),
        Case(
            "the wait begins with the last byte",
            [.connect, .connected, .written, .wait(15_000), .flushed, .wait(15_000)],
            .none),
        Case(
            "a request that does not leave", [.connect, .connected, .written, .wait(20_000)],
            .failed("gateway_first_chunk_timeout", .firstChunk, true, .close(1001))),
        Case("between chunks", fresh + [.text, .wait(29_999), .text, .wait(29_999)], .none),
        Case(
            "silent", fresh + [.text, .wait(30_000)], .failed("gateway_idle_timeout", .streaming, true, .close(1001))),
        Case(
            "late frames are no sign of life", [.writtenReused, .flushed, .wait(15_000), .late, .wait(5000)],
            .failed("gateway_first_chunk_timeout", .firstChunk, true, .close(1001))),
    ]

    static let isolation: [Case] = [
        Case("a late frame", [.writtenReused, .flushed, .late], .late),
        Case("a late [DONE]", [.writtenReused, .flushed, .lateDone], .late),
        Case("and then one's own", [.writtenReused, .flushed, .late, .text], .deliver),
        Case(
            "a flood of late frames", [.writtenReused] + [Event](repeating: .late, count: 257),
            .failed("gateway_mixed_streams", .request, true, .close(1008))),
        Case(
            "mixed", fresh + [.text, .mixed], .failed("gateway_mixed_streams", .streaming, true, .close(1008))),
        Case(
            "mixed, even after the finish", fresh + [.finish(1), .mixed],
            .failed("gateway_mixed_streams", .streaming, true, .close(1008))),
        Case("a dead reused connection", [.writtenReused, .flushed, .disconnected], .restart),
        Case("one that says goodbye", [.writtenReused, .closed(1001)], .restart),
        Case(
            "only once", [.writtenReused, .disconnected, .connect, .connected, .written, .disconnected],
            .failed("gateway_closed", .request, true, .close(1000))),
        Case(
            "not when something came", [.writtenReused, .flushed, .late, .disconnected],
            .failed("gateway_closed", .firstChunk, true, .close(1000))),
        Case(
            "not when the head of an answer came", [.writtenReused, .flushed, .answerBegan, .disconnected],
            .failed("gateway_closed", .firstChunk, true, .close(1000))),
        Case(
            "not on a fresh connection", fresh + [.disconnected],
            .failed("gateway_closed", .firstChunk, true, .close(1000))),
        Case(
            "not after an answer began", [.writtenReused, .text, .disconnected],
            .failed("gateway_closed", .streaming, true, .close(1000))),
    ]

    static let pauses: [Case] = [
        Case("no idle timeout while paused", fresh + [.text, .pause, .wait(1_000_000)], .none),
        Case("nor for what came before", fresh + [.text, .wait(20_000), .pause, .wait(20_000)], .none),
        Case("idle again after it", fresh + [.text, .pause, .wait(90_000), .resume, .wait(29_999)], .none),
        Case(
            "and then it counts", fresh + [.text, .pause, .resume, .wait(30_000)],
            .failed("gateway_idle_timeout", .streaming, true, .close(1001))),
        Case("no first-chunk timeout while paused", fresh + [.pause, .wait(1_000_000)], .none),
        Case("paused before the request", [.connect, .pause, .connected, .written, .flushed, .wait(60_000)], .none),
        Case(
            "the connect timeout stays", [.connect, .pause, .wait(10_000)],
            .failed("gateway_connect_timeout", .connect, true, .abort)),
        Case("no grace while paused", fresh + [.finish(1), .pause, .wait(10_000)], .none),
        Case(
            "usage after a pause", fresh + [.finish(1), .pause, .wait(10_000), .resume, .usage],
            .last(.reuse(sawDone: false))),
        Case(
            "grace after a pause", fresh + [.finish(1), .pause, .wait(10_000), .resume, .wait(500)],
            .complete(.reuse(sawDone: false))),
        Case(
            "resumed without a pause", fresh + [.text, .wait(20_000), .resume, .wait(10_000)],
            .failed("gateway_idle_timeout", .streaming, true, .close(1001))),
    ]

    @Test func deadlineGoesAwayWithTheEnd() {
        var machine = GatewayStreamMachine(choiceCount: 1, patience: Self.patience)
        var now = NIODeadline.uptimeNanoseconds(1)
        machine.connect(now: now)
        _ = Self.apply(.cancel, to: &machine, now: &now)
        let deadline = machine.deadline
        #expect(deadline == nil)
    }
}
