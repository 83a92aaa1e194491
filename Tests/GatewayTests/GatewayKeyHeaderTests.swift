import Gateway
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
