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

    /// A gateway that wants to know who asks.
    @Test(arguments: [TestTransport.websocket, .http1], [true, false])
    func aClientsCertificate(_ transport: TestTransport, _ isShown: Bool) async throws {
        let certificates = try Self.certificates.get()
        let server = try certificates.server("good") {
            $0.certificateVerification = .noHostnameVerification
            $0.trustRoots = .file(certificates.authorityFile)
        }
        try await TestGateway.run(tls: server, transport: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            try await peer.finish(AnswerText.chunk("hi"), AnswerText.finish(), "[DONE]")
        } body: { gateway in
            let plain = try gateway.client().configuration
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: "localhost", caFile: certificates.authorityFile
            ) {
                $0.transport = plain.transport
                $0.endpoint.path = plain.endpoint.path
                $0.clientCertificate = isShown ? certificates.client() : nil
            }
            let end = try await client.start().result().end
            #expect((end == .complete) == isShown, "\(String(describing: end))")
            await client.shutdown()
        }
    }

    @Test func certificatesThatCannotBeShown() throws {
        let certificates = try Self.certificates.get()
        let good = certificates.client()
        let end = try good.check()
        #expect(end > 1_700_000_000)
        var wrong = good
        wrong.keyFile = certificates.client("address").keyFile
        #expect(throws: GatewayClientCertificate.Problem.mismatch) { _ = try wrong.check() }
        let mismatched = wrong
        #expect(throws: (any Error).self) {
            _ = try GatewayClient.test(port: 1, isSecure: true) { $0.clientCertificate = mismatched }
        }
        wrong.keyFile = good.certificateFile
        #expect(throws: GatewayClientCertificate.Problem.key) { _ = try wrong.check() }
        wrong.certificateFile = good.keyFile
        #expect(throws: GatewayClientCertificate.Problem.certificate) { _ = try wrong.check() }
        wrong.certificateFile = "/does/not/exist"
        #expect(throws: GatewayClientCertificate.Problem.certificate) { _ = try wrong.check() }
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
