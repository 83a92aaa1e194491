import NIOCore
import Synchronization
import Testing

@testable import Webhooks

/// Answers that are none, and answers of which the head alone came.
@Suite(.timeLimit(.minutes(1))) struct SenderAnswerTests {
    /// Each of the first three ended the process once.
    @Test(arguments: [
        "HTTP/1.1 000 Odd\r\ncontent-length: 0\r\n\r\n", "HTTP/1.1 001 Odd\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 099 Odd\r\n\r\n", "HTTP/1.1 000 Odd\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 -01 Odd\r\n\r\n", "HTTP/1.1 1000 Odd\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
        String(repeating: "HTTP/1.1 102 Wait\r\n\r\n", count: 100) + okay,
    ])
    func anOddAnswerIsAnOrdinaryFailure(answer: String) async throws {
        for _ in 0..<3 {
            let (outcome, _) = try await SenderSupport.outcome(of: .reply(answer))
            #expect(outcome.kind == .invalidResponse, "\(outcome)")
        }
    }

    @Test func fewInterimAnswersAreAllowed() async throws {
        let answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" + okay
        let (outcome, _) = try await SenderSupport.outcome(of: .reply(answer))
        #expect(outcome.kind == .delivered)
    }

    @Test(
        arguments: [
            (.replyAndClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"), .delivered),
            (.reply("HTTP/1.1 202 Accepted\r\ncontent-length: 10\r\n\r\nhalf"), .delivered),
            (.reply("HTTP/1.1 410 Gone\r\ncontent-length: 10\r\n\r\nhalf"), .status(410)),
            (
                .drip(
                    head: "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", piece: "1\r\nx\r\n",
                    pause: .milliseconds(20)), .delivered
            ),
        ] as [(ScriptedServer.Reaction, WebhookOutcome.Kind)])
    func theHeadAloneCounts(reaction: ScriptedServer.Reaction, kind: WebhookOutcome.Kind) async throws {
        let (outcome, _) = try await SenderSupport.outcome(of: reaction)
        #expect(outcome.kind == kind, "\(outcome)")
        // Long before the deadline of ten seconds.
        #expect(outcome.latency < .seconds(8))
    }

    /// Answers the first request of each connection, and closes it when the second comes: each post but the first would
    /// cost a try.
    @Test(arguments: [ScriptedServer.Reaction.replyAndClose(""), .reset])
    func aConnectionThatWasGivenUpCostsNoTry(closing: ScriptedServer.Reaction) async throws {
        let first = Mutex<Set<Int>>([])
        try await ScriptedServer.with(script: { request in
            first.withLock { $0.insert(request.connection).inserted } ? .reply(okay) : closing
        }) { server in
            try await SenderSupport.withSender { sender in
                for _ in 0..<6 {
                    let outcome = await sender.post(SenderSupport.task("http://127.0.0.1:\(server.port)/"))
                    #expect(outcome.kind == .delivered, "\(outcome)")
                }
            }
        }
    }

    /// On a fresh connection it is the endpoint's doing.
    @Test func aFreshConnectionThatIsClosedIsAFailure() async throws {
        let (outcome, seen) = try await SenderSupport.outcome(of: .replyAndClose(""))
        #expect(outcome.kind == .closed)
        #expect(seen.requests.count == 1)
    }
}
