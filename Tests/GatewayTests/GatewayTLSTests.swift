import Gateway
import Testing

@Suite(.timeLimit(.minutes(2))) struct GatewayTLSTests {
    static let certificates = Result { try TestCertificates() }

    @Test(arguments: ["localhost", "127.0.0.1"])
    func trusted(_ host: String) async throws {
        let certificates = try Self.certificates.get()
        try await TestGateway.run(tls: certificates.server("good")) { peer in
            try await peer.upgrade()
            for id in ["one", "two"] {
                _ = try await peer.readRequest()
                try await peer.send(
                    AnswerText.chunk(GatewayStreamingTests.text, id: id), AnswerText.finish(id: id), "[DONE]")
            }
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: host, caFile: certificates.authorityFile)
            for round in 0..<2 {
                let stream = try await client.start()
                let events = try await stream.all()
                #expect(events.first == .started(reused: round == 1))
                #expect(events.contains(.chunk(GatewayStreamingTests.text)))
                #expect(events.last == .ended(.complete))
            }
            await client.shutdown()
        }
    }

    /// Not a byte of the request, with its key, reaches a server that is not the gateway.
    @Test(arguments: [
        ("wrong-name", "localhost", true, "wrong_name"), ("wrong-name", "127.0.0.1", true, "wrong_name"),
        // What it is for is the peer's address, and not the name that was asked for.
        ("address", "localhost", true, "wrong_name"),
        ("expired", "localhost", true, "expired"), ("expired", "127.0.0.1", true, "expired"),
        ("good", "localhost", false, "untrusted"),
    ])
    func refused(_ certificate: String, _ host: String, _ isAuthorityKnown: Bool, _ kind: String) async throws {
        let certificates = try Self.certificates.get()
        let finished = Signal()
        try await TestGateway.run(tls: certificates.server(certificate)) { peer in
            let head = try? await peer.readHead()
            #expect(head == nil, "the request left")
            finished.fire()
        } body: { gateway in
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: host,
                caFile: isAuthorityKnown ? certificates.authorityFile : certificates.otherAuthorityFile)
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_tls_\(kind)")
            #expect(failure?.stage == .connect)
            #expect(failure?.isRetryable == false)
            try await finished.wait()
            await client.shutdown()
        }
    }

    @Test func notTLS() async throws {
        try await TestGateway.run { peer in
            try await peer.send(Array("HTTP/1.1 400 Bad Request\r\n\r\n".utf8))
            await peer.waitForEnd()
        } body: { gateway in
            let certificates = try Self.certificates.get()
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: "localhost", caFile: certificates.authorityFile)
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_tls_failed")
            await client.shutdown()
        }
    }

    @Test func closedDuringTheHandshake() async throws {
        try await TestGateway.run { _ in
        } body: { gateway in
            let certificates = try Self.certificates.get()
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: "localhost", caFile: certificates.authorityFile)
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_unreachable")
            #expect(failure?.isRetryable == true)
            await client.shutdown()
        }
    }

    @Test func cancelledUnderTLS() async throws {
        let certificates = try Self.certificates.get()
        let closed = Signal()
        try await TestGateway.run(tls: certificates.server("good")) { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.chunk("a"))
            await peer.waitForEnd()
            closed.fire()
        } body: { gateway in
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: "localhost", caFile: certificates.authorityFile)
            let stream = try await client.start()
            try await stream.wait(for: .chunk("a"))
            try await stream.cancel()
            try await closed.wait()
            await client.shutdown()
        }
    }

    @Test func unreadableAuthorityFile() {
        #expect(throws: (any Error).self) {
            _ = try GatewayClient.test(port: 1, isSecure: true, host: "localhost", caFile: "/nonexistent.pem")
        }
    }
}
