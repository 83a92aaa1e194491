import NIOCore
import Testing

@testable import Gateway

/// Gateways behind an HTTP proxy.
@Suite(.timeLimit(.minutes(2))) struct GatewayProxyTests {
    private static func answer(_ peer: TestPeer) async throws {
        try await peer.open()
        var count = 0
        while (try? await peer.readRequest()) != nil {
            count += 1
            let id = "c\(peer.number)-\(count)"
            try await peer.finish(AnswerText.chunk("hi", id: id), AnswerText.finish(id: id), "[DONE]")
        }
    }

    /// Through a proxy that asks for credentials, by name and with TLS as well; the proxy is told no key.
    @Test(arguments: TestTransport.allCases)
    func throughATunnel(_ transport: TestTransport) async throws {
        let proxy = try await TestProxy(credentials: "Basic dTpw")
        try await TestGateway.run(over: transport, script: Self.answer) { gateway in
            let client = try gateway.client {
                $0.proxy = .init(host: "127.0.0.2", port: proxy.port, authorization: "Basic dTpw")
            }
            for _ in 0..<2 {
                let (text, end) = try await client.start().result()
                #expect(text == "hi" && end == .complete)
            }
            await client.shutdown()
            let host = transport == .http2 ? "localhost" : "127.0.0.1"
            #expect(
                proxy.requests == [
                    "CONNECT \(host):\(gateway.port) HTTP/1.1\r\nHost: \(host):\(gateway.port)\r\nProxy-Authorization: Basic dTpw\r\n\r\n"
                ])
        }
        try await proxy.close()
    }

    /// Inside the tunnel it is the gateway's certificate that counts, also for an address, which is not the proxy's.
    @Test(
        arguments: [
            ("good", "localhost", nil), ("good", "127.0.0.1", nil), ("address", "127.0.0.1", nil),
            ("address", "localhost", "wrong_name"), ("wrong-name", "localhost", "wrong_name"),
            ("wrong-name", "127.0.0.1", "wrong_name"), ("expired", "localhost", "expired"),
            ("expired", "127.0.0.1", "expired"),
        ] as [(String, String, String?)])
    func certificates(_ certificate: String, _ host: String, _ kind: String?) async throws {
        let certificates = try GatewayTLSTests.certificates.get()
        let proxy = try await TestProxy()
        try await TestGateway.run(tls: certificates.server(certificate), script: Self.answer) { gateway in
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: host, caFile: certificates.authorityFile
            ) { $0.proxy = .init(host: "127.0.0.2", port: proxy.port) }
            let end = try await client.start().result().end
            if let kind {
                guard case .failed(let failure) = end else { throw DeadlineExceeded() }
                #expect(failure.code == "gateway_tls_\(kind)")
            } else {
                #expect(end == .complete)
            }
            await client.shutdown()
        }
        try await proxy.close()
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        var answer: String
        var code: String
        var status: Int?
        var isRetryable = true
        var testDescription: String { String(answer.prefix(40)) }
    }

    static let refusals = [
        Refusal(answer: "HTTP/1.1 407 No\r\n\r\n", code: "refused", status: 407, isRetryable: false),
        Refusal(answer: "HTTP/1.0 403\r\n\r\n", code: "refused", status: 403, isRetryable: false),
        Refusal(answer: "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\nhello", code: "refused", status: 502),
        Refusal(answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 x\r\n\r\n", code: "refused", status: 503),
        Refusal(answer: "HTTP/1.1 000 x\r\n\r\n", code: "protocol_error", isRetryable: false),
        Refusal(answer: "HTTP/1.1 20 x\r\n\r\n", code: "protocol_error", isRetryable: false),
        Refusal(answer: "HTTP/1.1 101 Switching\r\n\r\n", code: "protocol_error", isRetryable: false),
        Refusal(answer: "HTTP/1.1 200 OK\r\n\r\nmore", code: "protocol_error", isRetryable: false),
        Refusal(answer: "SSH-2.0-x\r\n", code: "protocol_error", isRetryable: false),
        Refusal(answer: "\u{16}\u{3}\u{1}", code: "protocol_error", isRetryable: false),
        Refusal(
            answer: "HTTP/1.1 200 OK\r\n" + String(repeating: "a: b\r\n", count: 10_000), code: "protocol_error",
            isRetryable: false),
        Refusal(
            answer: String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 10_000), code: "unreachable"),
        Refusal(answer: "HTTP/1.1 2", code: "unreachable"),
        Refusal(answer: "", code: "timeout"),
    ]

    /// What a proxy says speaks of the proxy, whatever it is, and the gateway hears nothing.
    @Test(arguments: refusals, [TestTransport.websocket, .http1]) func refuses(
        _ refusal: Refusal, _ transport: TestTransport
    ) async throws {
        let proxy = try await TestProxy(answer: refusal.answer)
        try await TestGateway.run(over: transport, script: Self.answer) { gateway in
            let client = try gateway.client {
                $0.proxy = .init(host: "127.0.0.2", port: proxy.port)
                $0.connectTimeout = refusal.answer.isEmpty ? .milliseconds(500) : .seconds(10)
            }
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_proxy_\(refusal.code)")
            #expect(failure?.status == refusal.status && failure?.isRetryable == refusal.isRetryable)
            #expect(failure?.stage == .connect && failure?.message.contains("proxy") == true)
            #expect(gateway.accepted.value == 0)
            let probe = await client.probe(key: 0, model: "m", on: GatewayClient.testLoop)
            #expect(probe.failure?.code == "gateway_proxy_\(refusal.code)")
            await client.shutdown()
        }
        try await proxy.close()
    }

    @Test func nobodyThere() async throws {
        let proxy = try await TestProxy()
        try await proxy.close()
        let client = try GatewayClient.test(port: 1) { $0.proxy = .init(host: "127.0.0.2", port: proxy.port) }
        #expect(try await client.start().failure()?.code == "gateway_proxy_unreachable")
        await client.shutdown()
    }

    @Test(arguments: [
        GatewayConfiguration.Proxy(host: "", port: 1), .init(host: "a b", port: 1), .init(host: "a", port: 0),
        .init(host: "a", port: 70_000), .init(host: "a", port: 1, authorization: "x\r\ny"),
        .init(host: "a", port: 1, authorization: ""),
    ])
    func thatCannotBeAsked(_ proxy: GatewayConfiguration.Proxy) {
        #expect(throws: GatewayConfigurationError.invalidProxy) {
            _ = try GatewayClient.test(port: 1) { $0.proxy = proxy }
        }
    }

    /// Whatever the pieces in which it comes.
    @Test(arguments: [
        ("HTTP/1.1 200 OK\r\na: b\r\n\r\n", ProxyAnswer.Verdict.accepted), ("HTTP/1.0 204\n\n", .accepted),
        ("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", .accepted),
        ("HTTP/1.1 407 No\r\n\r\n", .refused(status: 407)),
        ("HTTP/1.1 999 x\r\n\r\n", .refused(status: 999)), ("HTTP/1.1 099 x\r\n\r\n", .garbage),
        ("HTTP/2 200\r\n\r\n", .garbage),
        ("HTTP/1.1\r\n\r\n", .garbage), ("\r\n\r\n", .garbage), ("HTTP/1.1 2000 OK\r\n\r\n", .garbage),
        ("HTTP/1.1 -20 OK\r\n\r\n", .garbage), ("HTTP/1.1 200 OK\r\n", .unfinished), ("", .unfinished),
    ])
    func answers(_ text: String, _ verdict: ProxyAnswer.Verdict) {
        var whole = ProxyAnswer()
        #expect(whole.add(text.utf8) == verdict)
        var pieces = ProxyAnswer()
        var last = ProxyAnswer.Verdict.unfinished
        for byte in text.utf8 where last == .unfinished { last = pieces.add([byte]) }
        #expect(last == verdict)
    }
}
