import ChatModel
import Gateway
import NIOCore
import Testing

/// What is HTTP's own: requests, refusals, how bodies are cut and how they end.
@Suite(.timeLimit(.minutes(1))) struct EventStreamTests {
    static let http = [TestTransport.http1, .http2]
    static let text = GatewayStreamingTests.text

    /// One answer, its bytes cut into pieces; CRLF, comments, other fields, several lines of data, a byte order mark.
    @Test(arguments: http, [1, 2, 7, 100_000])
    func cutAnywhere(_ transport: TestTransport, size: Int) async throws {
        try await TestGateway.run(over: transport) { peer in
            _ = try await peer.readRequest()
            let chunk = AnswerText.chunk(Self.text)
            let lines = chunk.replacing(",\"choices\"", with: "\r\ndata: ,\"choices\"")
            let events =
                "\u{FEFF}: hello\n\nevent: chunk\rid: 1\rdata:\(chunk)\r\rdata: \(lines)\r\n\r\nretry: 5\n\n"
                + "data: \(AnswerText.finish())\n\n: bye\r\n\r\ndata: [DONE]\n\n"
            let bytes = peer.body(Array(events.utf8)) + peer.end()
            // The adapter for HTTP/2 wants its head whole.
            let head = transport == .http2 ? String(decoding: bytes, as: UTF8.self).utf8.count - events.utf8.count : 0
            if head > 0 { try await peer.send(Array(bytes[..<head])) }
            for start in stride(from: head, to: bytes.count, by: size) {
                try await peer.send(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            try await peer.endAnswer()
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let result = try await client.start().result()
            #expect(result.text == Self.text + Self.text)
            #expect(result.end == .complete)
            await client.shutdown()
        }
    }

    @Test(arguments: http)
    func requestOnTheWire(_ transport: TestTransport) async throws {
        let seen = Signal()
        try await TestGateway.run(over: transport) { peer in
            while let body = try? await peer.readRequest() {
                #expect(body == "{\"q\":\"질문\"}")
                let head = peer.requestHead
                let fields = Dictionary(
                    head.dropFirst().map { line in
                        let parts = line.split(separator: ":", maxSplits: 1)
                        return (parts[0].lowercased(), String(parts[1].dropFirst()))
                    }, uniquingKeysWith: { "\($0), \($1)" })
                #expect(head.first == "POST /v1/chat/completions HTTP/1.1")
                #expect(fields["authorization"] == "Bearer sk-test-0123456789")
                #expect(fields["accept"] == "text/event-stream")
                #expect(fields["content-type"] == "application/json")
                #expect(fields["content-length"] == "\(body.utf8.count)")
                #expect(fields["traceparent"] == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
                #expect(fields["host"]?.hasPrefix(transport == .http1 ? "127.0.0.1:" : "localhost:") == true)
                #expect(fields["upgrade"] == nil)
                try await peer.finish(AnswerText.finish(), "[DONE]")
                seen.fire()
            }
        } body: { gateway in
            let client = try gateway.client()
            for round in 0..<2 {
                let stream = try await client.start(
                    body: "{\"q\":\"질문\"}",
                    trace: TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
                let events = try await stream.all()
                #expect(events.first == .started(reused: round == 1))
                #expect(events.last == .ended(.complete))
                try await seen.wait()
            }
            #expect(gateway.accepted.value == 1)
            await client.shutdown()
        }
    }

    static let json = ["Content-Type: application/json"]

    @Test(
        arguments: http,
        [
            Refusal(
                status: "401 Unauthorized", headers: json,
                body: #"{"error":{"type":"authentication_error","message":"sk-test-0123456789"}}"#,
                code: "gateway_unauthorized", upstreamType: "authentication_error"),
            Refusal(status: "200 OK", headers: json, body: #"{"choices":[]}"#, code: "gateway_not_streaming"),
            Refusal(status: "200 OK", headers: ["Content-Type: text/html"], body: "x", code: "gateway_not_streaming"),
            Refusal(status: "200 OK", body: "x", code: "gateway_not_streaming"),
            Refusal(
                status: "200 OK", headers: ["Content-Type: text/event-stream", "Content-Encoding: gzip"], body: "x",
                code: "gateway_not_streaming"),
            Refusal(
                status: "200 OK", headers: json, body: #"{"error":{"type":"overloaded_error"}}"#,
                code: "gateway_unavailable", isRetryable: true, upstreamType: "overloaded_error", reported: 503),
        ] + Refusal.ofBoth)
    func refusals(_ transport: TestTransport, _ refusal: Refusal) async throws {
        try await TestGateway.run(over: transport) { peer in
            _ = try await peer.readRequest()
            let lines = ["HTTP/1.1 \(refusal.status)", "Content-Length: \(refusal.body.utf8.count)"] + refusal.headers
            try await peer.send(Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + refusal.body).utf8))
            try await peer.endAnswer()
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let failure = try await client.start().failure()
            refusal.expect(failure, at: .request)
            #expect(gateway.accepted.value == 1, "no redirect is followed")
            await client.shutdown()
        }
    }

    /// A refusal that was read to its end leaves the connection good for another request.
    @Test(arguments: http)
    func reusedAfterARefusal(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            while (try? await peer.readRequest()) != nil {
                try await peer.send(Array("HTTP/1.1 429 X\r\nContent-Length: 2\r\n\r\n{}".utf8))
                try await peer.endAnswer()
            }
        } body: { gateway in
            let client = try gateway.client()
            for _ in 0..<3 {
                let failure = try await client.start().failure()
                #expect(failure?.code == "gateway_rate_limited")
            }
            #expect(gateway.accepted.value == 1)
            await client.shutdown()
        }
    }

    /// A refusal whose body never ends is still a refusal.
    @Test func refusalWithoutAnEnd() async throws {
        try await TestGateway.run(over: .http1) { peer in
            _ = try await peer.readRequest()
            try await peer.send(Array("HTTP/1.1 429 X\r\nContent-Length: 100\r\nRetry-After: 9\r\n\r\n{".utf8))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_rate_limited")
            #expect(failure?.retryAfter == .seconds(9))
            await client.shutdown()
        }
    }

    /// The body ends well-formed, and the answer in it does not.
    @Test(arguments: http)
    func endOfTheBody(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            _ = try await peer.readRequest()
            try await peer.finish(AnswerText.chunk("a"))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let result = try await client.start().result()
            #expect(result.text == "a")
            guard case .failed(let failure) = result.end else {
                Issue.record("the stream did not fail")
                return
            }
            #expect(failure.code == "gateway_closed" && failure.closeCode == 1006 && failure.isRetryable)
            await client.shutdown()
        }
    }

    /// After the last finish reason the end of the body is as good as `[DONE]`.
    @Test(arguments: http)
    func endOfTheBodyAfterTheFinish(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            _ = try await peer.readRequest()
            try await peer.finish(AnswerText.chunk("a"), AnswerText.finish())
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client { $0.endGrace = .seconds(30) }
            let end = try await client.start().result().end
            #expect(end == .complete)
            await client.shutdown()
        }
    }

    /// The answer is whole with its usage. The stream is not reset then: `[DONE]` and its end may come.
    @Test func restOfTheBody() async throws {
        let ended = Signal()
        let drained = Signal()
        try await TestGateway.run(over: .http2) { peer in
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.chunk("x"), AnswerText.finish(), AnswerText.usage())
            try await ended.wait()
            // A reset would have come with the client's end of the stream; give it the way of a round trip.
            try await Task.sleep(for: .milliseconds(100))
            #expect(peer.channel.isActive)
            try await peer.finish("[DONE]")
            drained.fire()
        } body: { gateway in
            let client = try gateway.client { $0.endGrace = .seconds(30) }
            let end = try await client.start().result().end
            #expect(end == .complete)
            ended.fire()
            try await drained.wait()
            await client.shutdown()
        }
    }

    /// An HTTP/1.0 server, and one that closes: the answer is whole, the connection is not used again.
    @Test(arguments: ["HTTP/1.0 200 OK", "HTTP/1.1 200 OK\r\nConnection: close"])
    func notKeptOpen(_ head: String) async throws {
        try await TestGateway.run(over: .http1) { peer in
            _ = try await peer.readRequest()
            let events = "data: \(AnswerText.chunk("x"))\n\ndata: \(AnswerText.finish())\n\ndata: [DONE]\n\n"
            try await peer.send(Array("\(head)\r\nContent-Type: text/event-stream\r\n\r\n\(events)".utf8))
        } body: { gateway in
            let client = try gateway.client()
            for _ in 0..<2 {
                let result = try await client.start().result()
                #expect(result.text == "x" && result.end == .complete)
            }
            #expect(gateway.accepted.value == 2)
            await client.shutdown()
        }
    }

    @Test(arguments: [
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 X\r\nA: \(String(repeating: "x", count: 9000))\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ])
    func notHTTP(_ answer: String) async throws {
        try await TestGateway.run(over: .http1) { peer in
            _ = try await peer.readRequest()
            try await peer.send(Array(answer.utf8))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_protocol_error")
            await client.shutdown()
        }
    }

    @Test(arguments: http)
    func notUTF8(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            _ = try await peer.readRequest()
            try await peer.send(
                peer.message(AnswerText.chunk("a")) + peer.body([UInt8]("data: ".utf8) + [0xFF, 10, 10]))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_invalid_utf8")
            await client.shutdown()
        }
    }

    /// What a gateway says on an idle connection closes it, and reaches nobody.
    @Test func dataOnAnIdleConnection() async throws {
        let ended = Signal()
        let closed = Signal()
        try await TestGateway.run(over: .http1) { peer in
            _ = try await peer.readRequest()
            try await peer.finish(AnswerText.chunk("n\(peer.number)"), AnswerText.finish(), "[DONE]")
            guard peer.number == 0 else { return await peer.waitForEnd() }
            try await ended.wait()
            try await peer.send(peer.message(AnswerText.chunk("LATE")))
            await peer.waitForEnd()
            closed.fire()
        } body: { gateway in
            let client = try gateway.client()
            let first = try await client.start().result()
            #expect(first.text == "n0")
            ended.fire()
            try await closed.wait()
            let second = try await client.start().result()
            #expect(second.text == "n1")
            await client.shutdown()
        }
    }

    /// Many streams share one connection of a loop; a stream that is not read holds back no other.
    @Test func streamsShareAConnection() async throws {
        let padding = String(repeating: "x", count: 80_000)
        try await TestGateway.run(over: .http2) { peer in
            let request = try await peer.readRequest()
            let isFirst = request == "first"
            try await peer.send(AnswerText.chunk(request))
            if isFirst { for _ in 0..<20 { try await peer.send(AnswerText.chunk(padding)) } }
            try await peer.finish(AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            _ = try await client.start(body: "warm").all()
            let first = try await client.start(body: "first", paused: true)
            for number in 0..<30 {
                let other = try await client.start(body: "other \(number)").result()
                #expect(other.text == "other \(number)" && other.end == .complete)
            }
            try await first.resume()
            let result = try await first.result()
            #expect(result.text.utf8.count == 5 + 20 * padding.utf8.count)
            #expect(gateway.accepted.value == 1)
            await client.shutdown()
        }
    }

    /// More than one connection takes go over another, and none of them waits for the end of one before it.
    @Test func streamsBeyondTheLimitHaveAnotherConnection() async throws {
        let goOn = Signal()
        try await TestGateway.runHTTP2(streamLimit: 2) { peer in
            let request = try await peer.readRequest()
            try await peer.send(AnswerText.chunk(request))
            if request != "warm" { try await goOn.wait() }
            try await peer.finish(AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            _ = try await client.start(body: "warm").all()
            var streams: [OpenStream] = []
            for number in 0..<5 { streams.append(try await client.start(body: "\(number)")) }
            for (number, stream) in streams.enumerated() { try await stream.wait(for: .chunk("\(number)")) }
            // Two each, once the gateway's settings have come; before that a connection takes one.
            #expect((3...4).contains(client.metrics.connectionsLive.load(ordering: .relaxed)))
            for _ in streams { goOn.fire() }
            for stream in streams {
                let end = try await stream.result().end
                #expect(end == .complete)
            }
            await client.shutdown()
        }
    }

    /// A gateway with TLS that does not speak HTTP/2.
    @Test(arguments: [["http/1.1"], []])
    func tlsWithoutHTTP2(_ protocols: [String]) async throws {
        let certificates = try GatewayTLSTests.certificates.get()
        try await TestGateway.run(tls: certificates.server("good", protocols: protocols), transport: .http1) { peer in
            for id in ["one", "two"] {
                _ = try await peer.readRequest()
                try await peer.finish(AnswerText.chunk(id, id: id), AnswerText.finish(id: id), "[DONE]")
            }
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: "localhost", caFile: certificates.authorityFile
            ) { $0.transport = .sse }
            for text in ["one", "two"] {
                let result = try await client.start().result()
                #expect(result.text == text && result.end == .complete)
            }
            #expect(gateway.accepted.value == 1)
            await client.shutdown()
        }
    }

    /// Not a byte of the request, with its key, reaches a server that is not the gateway.
    @Test(arguments: [("wrong-name", "wrong_name"), ("expired", "expired")])
    func untrusted(_ certificate: String, _ kind: String) async throws {
        let certificates = try GatewayTLSTests.certificates.get()
        let finished = Signal()
        try await TestGateway.run(tls: certificates.server(certificate)) { peer in
            let head = try? await peer.readHead()
            #expect(head == nil, "the request left")
            finished.fire()
        } body: { gateway in
            let client = try GatewayClient.test(
                port: gateway.port, isSecure: true, host: "localhost", caFile: certificates.authorityFile
            ) { $0.transport = .sse }
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_tls_\(kind)")
            #expect(failure?.stage == .connect)
            try await finished.wait()
            await client.shutdown()
        }
    }
}
