import ChatModel
import Gateway
import Testing

/// Answers as they come over a socket, however they are cut.
@Suite(.timeLimit(.minutes(1))) struct GatewayStreamingTests {
    static let text = "안녕하세요 세계 👩‍👩‍👧‍👦🇰🇷 é"

    /// Serves one answer made of `frames`, and checks that its text comes out whole.
    private func serve(
        _ frames: [UInt8], glued: Bool = false, pieces: Int? = nil,
        end: GatewayStreamEnd = .complete
    ) async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade(glued: glued ? frames : [])
            _ = try await peer.readRequest()
            if !glued {
                for start in stride(from: 0, to: frames.count, by: pieces ?? frames.count) {
                    try await peer.send(Array(frames[start..<min(start + (pieces ?? frames.count), frames.count)]))
                }
            }
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let result = try await client.start().result()
            #expect(result.text == Self.text)
            #expect(result.end == end)
            await client.shutdown()
        }
    }

    private static let whole =
        ServerFrame.text(AnswerText.chunk(text)) + ServerFrame.text(AnswerText.finish())
        + ServerFrame.text(AnswerText.usage())

    @Test func textFrames() async throws { try await serve(Self.whole) }

    @Test func binaryFrames() async throws {
        try await serve(
            ServerFrame.binary(AnswerText.chunk(Self.text)) + ServerFrame.binary(AnswerText.finish())
                + ServerFrame.binary("[DONE]"))
    }

    @Test func gluedToTheUpgrade() async throws { try await serve(Self.whole, glued: true) }

    /// TCP segments of one byte and of a few, so that every header and character is cut somewhere.
    @Test(arguments: [1, 2, 3, 5, 11])
    func segments(_ size: Int) async throws { try await serve(Self.whole, pieces: size) }

    /// Every byte of the first chunk is a place where it is cut into fragments, with a ping in between.
    @Test func fragmentsCutAnywhere() async throws {
        let message = Array(AnswerText.chunk(Self.text).utf8)
        try await TestGateway.run { peer in
            try await peer.upgrade()
            for cut in 0...message.count {
                let id = "cut-\(cut)"
                let chunk = Array(AnswerText.chunk(Self.text, id: id).utf8)
                _ = try await peer.readRequest()
                try await peer.send(ServerFrame.frame(1, Array(chunk[..<cut]), fin: false))
                try await peer.send(
                    ServerFrame.frame(9, [UInt8(cut & 255)]) + ServerFrame.frame(0, Array(chunk[cut...])))
                let pong = try await peer.readFrame()
                guard pong.opcode == 10, pong.payload == [UInt8(cut & 255)], pong.isMasked else { return }
                try await peer.send(AnswerText.finish(id: id), "[DONE]")
            }
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            for _ in 0...message.count {
                let result = try await client.start().result()
                #expect(result.text == Self.text)
                #expect(result.end == .complete)
            }
            #expect(gateway.accepted.value == 1, "one connection for all")
            await client.shutdown()
        }
    }

    @Test func manyChoices() async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.send(
                AnswerText.chunk("a"), AnswerText.chunk("b", index: 1), AnswerText.finish(), AnswerText.usage(),
                AnswerText.chunk("c", index: 1), AnswerText.finish(index: 1), AnswerText.usage())
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let events = try await client.start(choices: 2).all()
            #expect(events.count == 9)
            #expect(events.last == .ended(.complete))
            await client.shutdown()
        }
    }

    /// The upgrade and the request as the guide shows them.
    @Test func requestOnTheWire() async throws {
        let seen = Signal()
        try await TestGateway.run { peer in
            let head = try await peer.upgrade()
            #expect(head.first == "GET /v1/realtime/chat/completions?model=gpt%2F4.1%20%EA%B0%80%26x HTTP/1.1")
            #expect(head.contains("Authorization: Bearer sk-test-0123456789"))
            #expect(head.contains { $0.hasPrefix("Host: 127.0.0.1:") })
            #expect(head.contains("Upgrade: websocket"))
            #expect(head.contains("Connection: Upgrade"))
            #expect(head.contains("Sec-WebSocket-Version: 13"))
            #expect(head.contains("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
            #expect(head.contains("tracestate: a=1,b=2"))
            #expect(!head.contains { $0.lowercased().hasPrefix("sec-websocket-extensions") })
            for _ in 0..<2 {
                let frame = try await peer.readFrame()
                #expect(frame.opcode == 1 && frame.isMasked && frame.isFinal)
                #expect(frame.text == "{\"q\":\"질문\"}")
                let id = "a\(peer.maskKeys.count)"
                try await peer.send(AnswerText.finish(id: id), "[DONE]")
            }
            #expect(Set(peer.maskKeys).count == 2)
            seen.fire()
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            for _ in 0..<2 {
                let stream = try await client.start(
                    "gpt/4.1 가&x", body: "{\"q\":\"질문\"}",
                    trace: TraceContext(
                        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=1,b=2"))
                _ = try await stream.all()
            }
            try await seen.wait()
            await client.shutdown()
        }
    }

    /// Azure's, for one. The model comes behind it.
    @Test(arguments: TestTransport.allCases)
    func addressWithAQuery(_ transport: TestTransport) async throws {
        let seen = Signal()
        try await TestGateway.run(over: transport) { peer in
            var head: [String] = []
            if transport == .websocket { head = try await peer.upgrade() }
            _ = try await peer.readRequest()
            if transport != .websocket { head = peer.requestHead }
            let model = transport == .websocket ? "&model=m" : ""
            #expect(head.first?.contains("/chat/completions?api-version=2024-10-21\(model) HTTP/1.1") == true)
            seen.fire()
            try await peer.finish(AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client { $0.endpoint.path += "?api-version=2024-10-21" }
            let end = try await client.start().result().end
            #expect(end == .complete)
            try await seen.wait()
            await client.shutdown()
        }
    }

    @Test func largeRequest() async throws {
        let body = String(repeating: "가나다라", count: 400_000)
        try await TestGateway.run { peer in
            try await peer.upgrade()
            let request = try await peer.readRequest()
            try await peer.send(request == body ? AnswerText.finish() : "{}")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let end = try await client.start(body: body).result().end
            #expect(end == .complete)
            await client.shutdown()
        }
    }
}
