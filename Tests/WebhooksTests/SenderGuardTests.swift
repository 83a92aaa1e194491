import AsyncHTTPClient
import NIOCore
import NIOPosix
import Testing

@testable import Webhooks

/// What must never be connected to, over real sockets on loopback.
@Suite(.timeLimit(.minutes(1))) struct SenderGuardTests {
    /// Posts to a name or address that stands for a listening server.
    private static func post(
        host: String, addresses: [String], allowed: [String] = [], scheme: String = "http"
    ) async throws -> (outcome: WebhookOutcome, connections: Int) {
        try await ScriptedServer.with(script: { _ in .reply(okay) }) { server in
            let resolver = TableResolver([host: addresses])
            return try await SenderSupport.withSender(
                SenderSupport.configuration(allowed: allowed), resolver: resolver
            ) { sender in
                let outcome = await sender.post(SenderSupport.task("\(scheme)://\(host):\(server.port)/"))
                return (outcome, try await server.connectionsMade())
            }
        }
    }

    @Test(
        arguments: [
            // Loopback is refused unless allowed, as an address and behind a name.
            ("127.0.0.1", [], [], "http"),
            ("hooks.test", ["127.0.0.1"], [], "http"),
            ("hooks.test", ["127.0.0.1"], [], "https"),
            ("hooks.test", ["::ffff:127.0.0.1"], [], "https"),
            ("hooks.test", ["127.0.0.1"], ["10.0.0.0/8"], "http"),
            // One bad address among good ones, wherever it stands.
            ("hooks.test", ["127.0.0.1", "10.0.0.1"], ["127.0.0.0/8"], "http"),
            ("hooks.test", ["10.0.0.1", "127.0.0.1"], ["127.0.0.0/8"], "http"),
            (
                "hooks.test", ["127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1", "fe80::1"],
                ["127.0.0.0/8"], "http"
            ),
            ("hooks.test", ["127.0.0.1", "::1"], ["127.0.0.0/8"], "http"),
            // To a blocked one alone.
            ("hooks.test", ["169.254.169.254"], ["127.0.0.0/8"], "https"),
            // Plain http to a host that is not listed.
            ("plain.test", ["127.0.0.1"], ["127.0.0.0/8"], "http"),
        ] as [(String, [String], [String], String)])
    func isRefusedWithoutAConnection(host: String, addresses: [String], allowed: [String], scheme: String) async throws
    {
        let (outcome, connections) = try await Self.post(
            host: host, addresses: addresses, allowed: allowed, scheme: scheme)
        #expect(outcome.kind == .refused)
        #expect(connections == 0)
    }

    @Test func isDeliveredWhereAllowed() async throws {
        let (outcome, connections) = try await Self.post(
            host: "hooks.test", addresses: ["127.0.0.1"], allowed: ["127.0.0.0/8"])
        #expect(outcome.kind == .delivered, "\(outcome)")
        #expect(connections == 1)
    }

    @Test func aNameWithoutAddressIsADNSFailure() async throws {
        let (outcome, _) = try await Self.post(host: "hooks.test", addresses: [])
        #expect(outcome.kind == .dns)
        try await SenderSupport.withSender(resolver: TableResolver([:])) { sender in
            let outcome = await sender.post(SenderSupport.task("https://unknown.test/"))
            #expect(outcome.kind == .dns && outcome.detail == "unknown")
        }
    }

    /// The system's resolver; RFC 6761 keeps the name from ever resolving.
    @Test func theSystemDoesNotResolveWhatDoesNotExist() async throws {
        try await SenderSupport.withSender(SenderSupport.configuration(timeout: .seconds(5))) { sender in
            let outcome = await sender.post(SenderSupport.task("https://does-not-exist.invalid/"))
            #expect(outcome.kind == .dns || outcome.kind == .timeout, "\(outcome)")
        }
    }

    @Test func aRebindingNameIsJudgedOnEveryTry() async throws {
        try await ScriptedServer.with(host: "0.0.0.0", script: { _ in .reply(okay) }) { server in
            let resolver = TableResolver(["hooks.test": ["127.0.0.1"]])
            try await SenderSupport.withSender(resolver: resolver) { sender in
                let task = SenderSupport.task("http://hooks.test:\(server.port)/")
                #expect(await sender.post(task).kind == .delivered)
                // Rebound to an inner address: the open connection is not used either.
                resolver.set("hooks.test", ["169.254.169.254"])
                #expect(await sender.post(task).kind == .refused)
                #expect(server.seen.requests.count == 1)
                // Moved to another good address: that one is connected to, whatever is still open.
                resolver.set("hooks.test", ["127.0.0.2"])
                #expect(await sender.post(task).kind == .delivered)
                // And back: the first connection is still there.
                resolver.set("hooks.test", ["127.0.0.1"])
                #expect(await sender.post(task).kind == .delivered)
                #expect(resolver.asked.withLock { $0.count } == 4)
            }
            #expect(server.seen.requests.map(\.localAddress) == ["127.0.0.1", "127.0.0.2", "127.0.0.1"])
            #expect(server.seen.requests.map(\.connection) == [1, 2, 1])
            #expect(server.seen.requests.allSatisfy { $0.headers["host"] == "hooks.test:\(server.port)" })
        }
    }

    @Test func theNextAddressIsTriedWhereOneDoesNotConnect() async throws {
        try await ScriptedServer.with(host: "127.0.0.2", script: { _ in .reply(okay) }) { server in
            let resolver = TableResolver(["hooks.test": ["127.0.0.1", "127.0.0.2"]])
            try await SenderSupport.withSender(resolver: resolver) { sender in
                for _ in 0..<2 {
                    let outcome = await sender.post(SenderSupport.task("http://hooks.test:\(server.port)/"))
                    #expect(outcome.kind == .delivered, "\(outcome)")
                }
            }
            #expect(server.seen.requests.map(\.connection) == [1, 1])
        }
    }

    @Test func noSecondTryWhereTheRequestMayHaveArrived() async throws {
        try await ScriptedServer.with(host: "0.0.0.0", script: { _ in .reset }) { server in
            let resolver = TableResolver(["hooks.test": ["127.0.0.1", "127.0.0.2"]])
            try await SenderSupport.withSender(resolver: resolver) { sender in
                let outcome = await sender.post(SenderSupport.task("http://hooks.test:\(server.port)/"))
                #expect(outcome.kind == .closed)
            }
            #expect(server.seen.requests.count == 1)
        }
    }

    /// The second line: a client whose pin did not hold closes the connection before a byte of the request.
    @Test func aConnectionToAnotherPeerIsClosedUnused() async throws {
        try await ScriptedServer.with(script: { _ in .reply(okay) }) { server in
            var configuration = HTTPClient.Configuration()
            configuration.connectionPool.retryConnectionEstablishment = false
            let clients = PinnedClients(
                group: MultiThreadedEventLoopGroup.singleton, configuration: configuration, maximumAnswerSize: 1_000)
            let key = PinnedClients.Key(host: "hooks.test", address: IPAddress(ipv4: 0x7f00_0002))
            let client = try #require(clients.acquire(key))
            let reader = AnswerReader(maximumSize: 100)
            // The pin is for another host than that of the request.
            await #expect(throws: PostFailure.UnvettedPeer.self) {
                let request = try HTTPClient.Request(url: "http://127.0.0.1:\(server.port)/")
                try await client.execute(request: request, delegate: reader).get()
            }
            #expect(await server.waits { $0.closed == 1 })
            #expect(server.seen.bytesRead == 0)
            clients.release(key)
            #expect(await clients.shutdown())
        }
    }
}
