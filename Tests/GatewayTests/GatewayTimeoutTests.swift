import Gateway
import Testing

@Suite(.timeLimit(.minutes(1))) struct GatewayTimeoutTests {
    /// A gateway that never answers the upgrade, and one that answers it a byte at a time.
    @Test(arguments: [false, true])
    func upgrade(drips: Bool) async throws {
        let closed = Signal()
        try await TestGateway.run { peer in
            let head = try await peer.readHead()
            if drips {
                // Never done before the client gives up: the test's limit ends it otherwise.
                for byte in TestPeer.acceptance(head, extra: ["X: \(String(repeating: "x", count: 6000))"]) {
                    do { try await peer.send([byte]) } catch { break }
                    try await Task.sleep(for: .milliseconds(2))
                }
            } else {
                await peer.waitForEnd()
            }
            closed.fire()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port) { $0.connectTimeout = .milliseconds(500) }
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_connect_timeout")
            #expect(failure?.stage == .upgrade)
            #expect(failure?.isRetryable == true)
            try await closed.wait()
            await client.shutdown()
        }
    }

    /// A refusal whose body never ends is still a refusal.
    @Test func refusalWithoutAnEnd() async throws {
        try await TestGateway.run { peer in
            _ = try await peer.readHead()
            try await peer.send(Array("HTTP/1.1 429 X\r\nContent-Length: 100\r\nRetry-After: 9\r\n\r\n{".utf8))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port) { $0.connectTimeout = .seconds(2) }
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_rate_limited")
            #expect(failure?.retryAfter == .seconds(9))
            await client.shutdown()
        }
    }

    @Test(arguments: TestTransport.allCases)
    func firstChunk(_ transport: TestTransport) async throws {
        let closed = Signal()
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            if transport == .websocket {
                let close = try await peer.readFrame()
                #expect(close.closeCode == 1001)
            } else {
                await peer.waitForEnd()
            }
            closed.fire()
        } body: { gateway in
            let client = try gateway.client { $0.firstChunkTimeout = .milliseconds(100) }
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_first_chunk_timeout")
            #expect(failure?.stage == .firstChunk)
            #expect(failure?.isRetryable == true)
            try await closed.wait()
            await client.shutdown()
        }
    }

    /// Pings keep a connection alive, not an answer.
    @Test func idleDespitePings() async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.chunk("a"))
            // The second chunk moves the deadline past the time that the timer was armed for.
            try await Task.sleep(for: .milliseconds(50))
            try await peer.send(AnswerText.chunk("b"))
            while true {
                try await peer.send(ServerFrame.frame(9, [1]))
                guard try await peer.readFrame().opcode == 10 else { return }
            }
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port) { $0.idleTimeout = .milliseconds(200) }
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_idle_timeout")
            #expect(failure?.stage == .streaming)
            await client.shutdown()
        }
    }

    /// Chunks move the deadline, although its timer is armed once.
    @Test func chunksMoveTheDeadline() async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            for _ in 0..<10 {
                try await peer.send(AnswerText.chunk("a"))
                try await Task.sleep(for: .milliseconds(150))
            }
            try await peer.send(AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port) { $0.idleTimeout = .seconds(1) }
            let result = try await client.start().result()
            #expect(result.text == "aaaaaaaaaa")
            #expect(result.end == .complete)
            await client.shutdown()
        }
    }

    /// Comments and events without data keep a connection alive, not an answer.
    @Test(arguments: [TestTransport.http1, .http2])
    func idleDespiteComments(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.chunk("a"))
            while true {
                try await peer.send(peer.body(Array(": keep-alive\n\nevent: ping\ndata:\n\n".utf8)))
                try await Task.sleep(for: .milliseconds(20))
            }
        } body: { gateway in
            let client = try gateway.client { $0.idleTimeout = .milliseconds(200) }
            let result = try await client.start().result()
            #expect(result.text == "a")
            guard case .failed(let failure) = result.end else {
                Issue.record("the stream did not fail")
                return
            }
            #expect(failure.code == "gateway_idle_timeout")
            await client.shutdown()
        }
    }
}
