import NIOPosix
import Synchronization
import Testing

@testable import Webhooks

/// Many posts at once against a server that does something else each time: every post ends, in time, with an outcome.
@Suite(.timeLimit(.minutes(1))) struct SenderChaosTests {
    private static let reactions: [ScriptedServer.Reaction] = [
        .reply(okay), .replyAndClose(okay), .reset, .replyAndClose(""), .silence, .reply("nonsense\r\n\r\n"),
        .endless(head: "HTTP/1.1 200 OK\r\n\r\n"), .later(okay, .milliseconds(30)),
        .replyAndClose("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf"),
        .reply("HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
        .drip(head: "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n", piece: "x", pause: .milliseconds(50)),
    ]

    @Test func everyPostEnds() async throws {
        let count = Atomic(0)
        let reactions = Self.reactions
        try await ScriptedServer.with(script: { _ in
            reactions[count.add(1, ordering: .relaxed).newValue % reactions.count]
        }) { server in
            let configuration = SenderSupport.configuration(timeout: .milliseconds(1_500), concurrency: 32)
            let resolver = TableResolver([
                "hooks.test": ["127.0.0.1"], "bad.test": ["127.0.0.1", "10.0.0.1"], "deaf.test": ["127.0.0.9"],
            ])
            try await SenderSupport.withSender(configuration, resolver: resolver) { sender in
                let outcomes = await withTaskGroup(of: WebhookOutcome.self) { group in
                    for index in 0..<300 {
                        let host = ["127.0.0.1", "hooks.test", "hooks.test", "bad.test", "deaf.test"][index % 5]
                        let scheme = host == "deaf.test" || index % 9 == 0 ? "https" : "http"
                        group.addTask {
                            await sender.post(SenderSupport.task("\(scheme)://\(host):\(server.port)/"))
                        }
                    }
                    return await group.reduce(into: []) { $0.append($1) }
                }
                #expect(outcomes.count == 300)
                #expect(outcomes.allSatisfy { $0.latency < .seconds(20) && $0.kind != .abandoned })
                #expect(outcomes.contains { $0.kind == .delivered })
                #expect(outcomes.count { $0.kind == .refused } == 60)
                // Nothing listens there; a busy machine may not get as far as to see it.
                #expect(outcomes.count { $0.kind == .connect || $0.kind == .timeout } >= 60)
            }
        }
    }
}
