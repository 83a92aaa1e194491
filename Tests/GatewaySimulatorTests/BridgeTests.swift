import ChatModel
import NIOCore
import Testing

@testable import GatewaySimulator

@Suite(.serialized) struct BridgeTests {
    private static let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
    private static let stream = """
        : ping\r\n\r\ndata: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"안녕 "}}]}\r\n\r
        data: {"id":"c1","choices":[{"index":0,"delta":{"content":"👋🏽"}}]}\n\ndata: {"id":"c1","choices":[],"usage":{"total_tokens":3}}

        data: [DONE]


        """

    private func bridged(
        _ upstream: ScriptedUpstream, model: String? = nil, key: String? = nil, done: Bool = false,
        _ body: @escaping @Sendable (SimulatedGateway, TestClient) async throws -> Void
    ) async throws {
        try await withGateway {
            $0.upstream = .init(url: upstream.url, apiKey: key, model: model)
            $0.sendsDone = done
        } _: {
            try await body($0, $1)
        }
        await upstream.stop()
    }

    @Test(arguments: [1, 7, 100_000])
    func eventsBecomeMessagesHoweverTheyAreCut(size: Int) async throws {
        var rest = Array(Self.stream.utf8)[...]
        var pieces = [Array(Self.head.utf8)]
        while !rest.isEmpty {
            pieces.append(Array(rest.prefix(size)))
            rest = rest.dropFirst(size)
        }
        let upstream = try await ScriptedUpstream.start(pieces: pieces)
        try await bridged(upstream, key: "sk-up", done: true) { gateway, client in
            let request = chatRequest("\"user\":\"u\"")
            try await client.send(request)
            let messages = try await client.messages { $0.text == "[DONE]" }
            #expect(messages.count == 4)
            #expect(messages[1].text == #"{"id":"c1","choices":[{"index":0,"delta":{"content":"👋🏽"}}]}"#)
            let sent = try #require(upstream.requests.first)
            #expect(sent.hasPrefix("POST /v1/chat/completions HTTP/1.1\r\n"))
            // The request goes on byte for byte.
            #expect(sent.hasSuffix("\r\n\r\n" + request))
            #expect(sent.lowercased().contains("authorization: bearer sk-up\r\n"))
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers[0].text == "안녕 👋🏽" && gateway.answers[0].end == .complete)
            #expect(gateway.answers[0].id == "c1" && gateway.answers[0].user == "u")
        }
    }

    /// The same bridge for those who ask over HTTP: events as they came, and `[DONE]` once.
    @Test(arguments: [1, 100_000], [false, true])
    func eventsStayEvents(size: Int, done: Bool) async throws {
        let bytes = Array(Self.stream.utf8)
        let pieces =
            [Array(Self.head.utf8)]
            + stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min($0 + size, bytes.count)]) }
        let upstream = try await ScriptedUpstream.start(pieces: pieces)
        try await EventStreamTests.withGateway {
            $0.upstream = .init(url: upstream.url, apiKey: "sk-up", model: "b")
            $0.sendsDone = done
        } _: { gateway in
            let request = EventStreamTests.post(chatRequest("\"user\":\"u\""))
            let (head, body) = try EventStreamTests.split(try await rawExchange(port: gateway.port, request))
            #expect(head.hasPrefix("HTTP/1.1 200 OK"))
            var parser = ServerSentEventParser()
            let events = try parser.consume(body).map { String(decoding: $0, as: UTF8.self) }
            #expect(events.count == 4 && events.last == "[DONE]")
            #expect(events[1] == #"{"id":"c1","choices":[{"index":0,"delta":{"content":"👋🏽"}}]}"#)
            let sent = try #require(upstream.requests.first)
            #expect(sent.lowercased().contains("authorization: bearer sk-up\r\n") && sent.contains(#""model":"b""#))
            #expect(gateway.answers.map(\.end) == [.complete] && gateway.answers[0].text == "안녕 👋🏽")
        }
        await upstream.stop()
    }

    /// An error of the upstream, and one that breaks off: the body says so and ends.
    @Test func errorsOfTheUpstreamOverHTTP() async throws {
        let body = #"{"error":{"message":"slow down","type":"rate_limit_error"}}"#
        let answer = "HTTP/1.1 429 Too Many\r\nretry-after: 5\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
        let upstream = try await ScriptedUpstream.start(pieces: [Array(answer.utf8)])
        try await EventStreamTests.withGateway {
            $0.upstream = .init(url: upstream.url)
        } _: { gateway in
            let text = try await rawExchange(port: gateway.port, EventStreamTests.post(chatRequest()))
            #expect(text.contains(#""status":429"#) && text.contains("rate_limit_error") && text.contains("slow down"))
            #expect(gateway.answers.map(\.end) == [.fault("upstream")])
        }
        await upstream.stop()
    }

    @Test func doneIsKeptBackUnlessAskedFor() async throws {
        let upstream = try await ScriptedUpstream.start(pieces: [Array((Self.head + Self.stream).utf8)])
        try await bridged(upstream) { _, client in
            for _ in 0..<2 {
                try await client.send(chatRequest())
                #expect(try await client.messages(until: isUsage).count == 3)
            }
        }
    }

    @Test func aClientThatLeavesAfterTheFinishReasonHasMissedNothing() async throws {
        let last = #"data: {"id":"c","choices":[{"index":0,"delta":{"content":"x"},"finish_reason":"stop"}]}"#
        let upstream = try await ScriptedUpstream.start(pieces: [Array((Self.head + last + "\n\n").utf8)], hangs: true)
        try await bridged(upstream) { gateway, client in
            try await client.send(chatRequest())
            _ = try await client.nextMessage()
            try await client.close()
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers.map(\.end) == [.complete] && gateway.answers[0].text == "x")
        }
    }

    @Test func shutdownEndsTheAnswersUnderWay() async throws {
        let upstream = try await ScriptedUpstream.start(
            pieces: [Array((Self.head + "data: {\"choices\":[]}\n\n").utf8)], hangs: true)
        try await bridged(upstream) { gateway, client in
            try await client.send(chatRequest())
            _ = try await client.nextMessage()
            await gateway.shutdown()
            #expect(gateway.answers.map(\.end) == [.abandoned])
        }
    }

    @Test func streamAndModelArePutIn() throws {
        let body = ByteBuffer(string: #"{"model":"a","stream":false,"messages":[],"x":1.50}"#)
        let changed = try UpstreamBridge.streaming(body, model: "b")
        let json = try JSONValue(parsing: changed.readableBytesView)
        #expect(json["model"] == .string("b") && json["stream"] == .bool(true) && json["x"] == .number("1.50"))
    }

    @Test(arguments: [
        ("{\"error\":{\"message\":\"slow down\",\"type\":\"rate_limit_error\"}}", "rate_limit_error", "slow down"),
        ("<html>oops</html>", "rate_limit_exceeded", "The upstream answered with HTTP 429"),
    ])
    func errorsOfTheUpstreamAreErrorFrames(body: String, type: String, message: String) async throws {
        let answer = "HTTP/1.1 429 Too Many\r\nretry-after: 5\r\ncontent-length: \(body.utf8.count)\r\n\r\n\(body)"
        let upstream = try await ScriptedUpstream.start(pieces: [Array(answer.utf8)])
        try await bridged(upstream) { gateway, client in
            try await client.send(chatRequest())
            let json = try await client.nextMessage().json
            #expect(json["type"] == .string("error") && json["status"] == .integer(429))
            #expect(json["error"]?["type"] == .string(type) && json["error"]?["message"] == .string(message))
            #expect(json["error"]?["headers"]?["retry-after"] == .string("5"))
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers[0].end == .fault("upstream"))
        }
    }

    @Test func anUpstreamThatIsNotThereIsA502() async throws {
        let upstream = try await ScriptedUpstream.start(pieces: [])
        await upstream.stop()
        try await bridged(upstream) { _, client in
            try await client.send(chatRequest())
            #expect(try await client.nextMessage().json["status"] == .integer(502))
        }
    }

    @Test func theUpstreamIsLetGoWhenTheClientGoesAway() async throws {
        let upstream = try await ScriptedUpstream.start(
            pieces: [Array((Self.head + "data: {\"choices\":[]}\n\n").utf8)], hangs: true)
        try await bridged(upstream) { gateway, client in
            try await client.send(chatRequest())
            _ = try await client.nextMessage()
            try await client.disconnect()
            await upstream.waitForClose()
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers[0].end == .abandoned)
        }
    }
}
