import Gateway
import Synchronization
import Testing

/// The header that says who asks.
@Suite(.timeLimit(.minutes(1))) struct GatewayKeyHeaderTests {
    /// As Azure is asked: the bare key in a header of its own, and a query in the address.
    @Test(arguments: TestTransport.allCases)
    func aHeaderOfItsOwn(_ transport: TestTransport) async throws {
        let path = "/openai/deployments/d/chat/completions?api-version=2024-10-21"
        let seen = Signal()
        try await TestGateway.run(over: transport) { peer in
            let head = transport == .websocket ? try await peer.upgrade() : []
            _ = try await peer.readRequest()
            let lines = transport == .websocket ? head : peer.requestHead
            let keys = lines.filter { $0.contains("sk-test-0123456789") }
            #expect(keys.map { $0.lowercased() } == ["api-key: sk-test-0123456789"])
            #expect(!lines.contains { $0.lowercased().hasPrefix("authorization") })
            let target = lines.first?.split(separator: " ").dropFirst().first.map(String.init)
            #expect(target == (transport == .websocket ? path + "&model=m" : path))
            try await peer.finish(AnswerText.finish(), "[DONE]")
            seen.fire()
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client {
                $0.keyHeader = "Api-Key"
                $0.endpoint.path = path
            }
            #expect(try await client.start().result().end == .complete)
            try await seen.wait()
            await client.shutdown()
        }
    }

    /// Portkey's, Cloudflare's, an organisation's: they go with every upgrade and every request, and with the keys they change.
    @Test(arguments: TestTransport.allCases)
    func furtherHeaders(_ transport: TestTransport) async throws {
        let seen = Mutex<[[String]]>([])
        try await TestGateway.run(over: transport) { peer in
            let head = transport == .websocket ? try await peer.upgrade() : []
            while (try? await peer.readRequest()) != nil {
                let lines = (transport == .websocket ? head : peer.requestHead).map { $0.lowercased() }
                seen.withLock { seen in
                    seen.append(lines.filter { $0.hasPrefix("x-") || $0.hasPrefix("authorization") })
                }
                try await peer.finish(AnswerText.finish(), "[DONE]")
            }
        } body: { gateway in
            var key = GatewayKey(
                source: "f", secret: "sk-1",
                headers: [.init(name: "x-org", value: "a b"), .init(name: "x-two", value: "2")])
            let client = try gateway.client { $0.keys = [key] }
            #expect(try await client.start().result().end == .complete)
            key.headers = [.init(name: "x-org", value: "c")]
            client.replaceKeys([key])
            #expect(try await client.start().result().end == .complete)
            client.replaceKeys([GatewayKey(source: "", secret: "", headers: key.headers)])
            #expect(try await client.start().result().end == .complete)
            await client.shutdown()
        }
        let all = seen.withLock { $0.map { $0.sorted() } }
        #expect(
            all == [
                ["authorization: bearer sk-1", "x-org: a b", "x-two: 2"], ["authorization: bearer sk-1", "x-org: c"],
                ["x-org: c"],
            ])
    }

    @Test(arguments: [
        ("Host", "a"), ("connection", "close"), ("content-length", "1"), ("sec-websocket-key", "x"), ("a b", "x"),
        ("proxy-authorization", "x"), ("user-agent", "x"), ("ok", ""), ("ok", "a\r\nb"), ("ok", "\u{e9}"),
    ])
    func headersThatCannotBeSent(_ name: String, _ value: String) {
        #expect(throws: GatewayConfigurationError.invalidHeader) {
            _ = try GatewayClient.test(port: 1) { $0.keys[0].headers = [.init(name: name, value: value)] }
        }
    }

    @Test(arguments: [
        ("Authorization", "Bearer k"), ("authorization", "Bearer k"), ("api-key", "k"), ("X-Api_Key", "k"),
    ])
    func whatItHolds(_ name: String, _ value: String) throws {
        var configuration = GatewayConfiguration(
            name: "g", endpoint: .init(isSecure: true, host: "h", port: 1, path: "/"), apiKey: "k")
        configuration.keyHeader = name
        let header = try #require(configuration.header(of: configuration.keys[0]))
        #expect(header.name == name && header.value == value)
        #expect(configuration.header(of: GatewayKey(source: "", secret: "")) == nil)
    }

    @Test(arguments: [
        "", "api key", "key:", "k\r\nX", "Host", "content-LENGTH", "Sec-WebSocket-Key", "traceparent",
        "Transfer-Encoding",
        "\u{443}",
    ])
    func namesThatCarryNoKey(_ name: String) {
        #expect(throws: GatewayConfigurationError.invalidKeyHeader) {
            _ = try GatewayClient.test(port: 1) { $0.keyHeader = name }
        }
    }
}
