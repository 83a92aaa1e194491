import Gateway
import NIOCore
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(1))) struct GatewayUpgradeTests {
    @Test(
        arguments: [
            Refusal(
                status: "401 Unauthorized",
                body: #"{"error":{"type":"authentication_error","message":"sk-test-0123456789"}}"#,
                code: "gateway_unauthorized", upstreamType: "authentication_error"),
            Refusal(status: "200 OK", body: "hello", code: "gateway_error"),
        ] + Refusal.ofBoth)
    func refusals(_ refusal: Refusal) async throws {
        try await TestGateway.run { peer in
            _ = try await peer.readHead()
            let lines = ["HTTP/1.1 \(refusal.status)", "Content-Length: \(refusal.body.utf8.count)"] + refusal.headers
            try await peer.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + refusal.body).utf8))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let failure = try await client.start().failure()
            refusal.expect(failure, at: .upgrade)
            #expect(gateway.accepted.value == 1, "no redirect is followed")
            await client.shutdown()
        }
    }

    /// Answers to the upgrade that must not be taken for one.
    @Test(arguments: [
        "wrong key", "no key", "two keys", "extension", "subprotocol", "no upgrade", "no connection", "http/1.0", "h2",
    ])
    func badUpgrades(_ fault: String) async throws {
        try await TestGateway.run { peer in
            let head = try await peer.readHead()
            var answer = String(decoding: TestPeer.acceptance(head), as: UTF8.self)
            switch fault {
            case "wrong key": answer = String(decoding: TestPeer.acceptance(head, key: "x"), as: UTF8.self)
            case "no key": answer = answer.replacing("Sec-WebSocket-Accept", with: "X-Accept")
            case "two keys": answer = answer.replacing("\r\n\r\n", with: "\r\nSec-WebSocket-Accept: x\r\n\r\n")
            case "extension":
                answer = answer.replacing("\r\n\r\n", with: "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
            case "subprotocol": answer = answer.replacing("\r\n\r\n", with: "\r\nSec-WebSocket-Protocol: chat\r\n\r\n")
            case "no upgrade": answer = answer.replacing("Upgrade: websocket\r\n", with: "")
            case "no connection": answer = answer.replacing("Connection: Upgrade\r\n", with: "Connection: close\r\n")
            case "http/1.0": answer = answer.replacing("HTTP/1.1", with: "HTTP/1.0")
            default: answer = answer.replacing("Upgrade: websocket", with: "Upgrade: h2c")
            }
            try await peer.send(Array(answer.utf8) + ServerFrame.text(AnswerText.chunk("x")))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port) { $0.connectTimeout = .seconds(2) }
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_protocol_error")
            #expect(failure?.stage == .upgrade)
            await client.shutdown()
        }
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 101 X\r\nA: \(String(repeating: "x", count: 9000))\r\n\r\n",
        "HTTP/1.1 101 X\r\n" + (0..<300).map { "A\($0): x\r\n" }.joined() + "\r\n",
    ])
    func notTheAnswerOfAGateway(_ answer: String) async throws {
        try await TestGateway.run { peer in
            _ = try await peer.readHead()
            try await peer.send(Array(answer.utf8))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_protocol_error")
            await client.shutdown()
        }
    }

    @Test func closedDuringTheUpgrade() async throws {
        try await TestGateway.run { peer in
            _ = try await peer.readHead()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_unreachable")
            #expect(failure?.stage == .upgrade)
            #expect(failure?.isRetryable == true)
            await client.shutdown()
        }
    }

    @Test(arguments: ["127.0.0.1", "localhost", "no-such-host.invalid"])
    func unreachable(_ host: String) async throws {
        // A port that was free a moment ago.
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = channel.localAddress?.port ?? 1
        try await channel.close()
        let client = try GatewayClient.test(port: port, host: host)
        let failure = try await client.start().failure()
        #expect(failure?.code == "gateway_unreachable")
        #expect(failure?.stage == .connect)
        #expect(failure?.isRetryable == true)
        await client.shutdown()
    }

    @Test func hostNames() async throws {
        try await TestGateway.run { peer in
            let head = try await peer.upgrade()
            #expect(head.contains { $0.hasPrefix("Host: localhost:") })
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port, host: "localhost")
            let end = try await client.start().result().end
            #expect(end == .complete)
            await client.shutdown()
        }
    }

    @Test func configurations() {
        func check(_ change: @escaping (inout GatewayConfiguration) -> Void) -> GatewayConfigurationError? {
            do {
                _ = try GatewayClient.test(port: 1, change: change)
                return nil
            } catch { return error as? GatewayConfigurationError }
        }
        #expect(check { _ in } == nil)
        #expect(check { $0.apiKey = "sk-a\r\nX: y" } == .invalidKey)
        #expect(check { $0.endpoint.path = "x" } == .invalidPath)
        #expect(check { $0.endpoint.path = "/a b" } == .invalidPath)
        #expect(check { $0.endpoint.host = "" } == .invalidHost)
        #expect(check { $0.endpoint.host = "a\nb" } == .invalidHost)
        #expect(check { $0.endpoint.port = 70_000 } == .invalidPort)
        #expect(check { $0.maximumMessageSize = 0 } == .invalidLimit)
    }
}
