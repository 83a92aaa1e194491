import ChatModel
import NIOCore
import NIOWebSocket
import Testing

@testable import GatewaySimulator

/// The raw, escaped content of each content chunk of choice 0.
private func rawContents(_ messages: [TestClient.Message]) -> [String] {
    let head = Array("\"delta\":{\"content\":\"".utf8)
    let tail = Array("\"},\"logprobs\"".utf8)
    // Compared as bytes: a token may begin with a combining mark, which would make one character with the quote.
    return messages.compactMap { message in
        guard let start = message.bytes.firstRange(of: head), let end = message.bytes.firstRange(of: tail) else {
            return nil
        }
        return String(decoding: message.bytes[start.upperBound..<end.lowerBound], as: UTF8.self)
    }
}

extension String {
    fileprivate var hasEscapeAtEnd: Bool { utf8.suffix(6).starts(with: "\\u".utf8) }
}

@Suite(.serialized) struct WireTests {
    @Test(arguments: SimulatedGateway.FrameKind.allCases)
    func dataFramesAreOfTheKindAskedFor(kind: SimulatedGateway.FrameKind) async throws {
        try await withGateway {
            $0.frames = kind
        } _: { _, client in
            try await client.send(chatRequest())
            let messages = try await client.messages(until: isUsage)
            let texts = messages.count { $0.isText }
            switch kind {
            case .text: #expect(texts == messages.count)
            case .binary: #expect(texts == 0)
            case .mixed: #expect(texts > 0 && texts < messages.count)
            }
            #expect(try JoinedAnswer(messages).text() == BuiltInText.text)
        }
    }

    @Test func messagesComeInFragments() async throws {
        try await withGateway {
            $0.fragmentsMessages = true
            $0.frames = .mixed
        } _: { _, client in
            try await client.send(chatRequest())
            let messages = try await client.messages(until: isUsage)
            #expect(messages.contains { $0.fragments > 1 } && messages.contains { $0.fragments == 1 })
            #expect(try JoinedAnswer(messages).text() == BuiltInText.text)
        }
    }

    @Test(arguments: EscapeMode.allCases, [false, true])
    func escapesAreJoinedToTheSameText(mode: EscapeMode, split: Bool) async throws {
        try await withGateway {
            $0.escape = mode
            $0.splitsSurrogates = split
            $0.seed = 7
        } _: { gateway, client in
            try await client.send(chatRequest())
            let raw = rawContents(try await client.messages(until: isUsage))
            let joined = [0x22] + raw.flatMap(\.utf8) + [0x22]
            #expect(try JSONValue(parsing: joined).stringValue == BuiltInText.text)
            if mode == .all { #expect(joined.allSatisfy { $0 < 0x80 }) }
            let halves = raw.count {
                ["d8", "d9", "da", "db"].contains($0.lowercased().suffix(4).prefix(2)) && $0.hasEscapeAtEnd
            }
            #expect((halves > 0) == split)
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers[0].text == BuiltInText.text)
        }
    }

    @Test func aHalfAtTheEndOfACutAnswerIsAReplacementCharacter() {
        let script = TokenScript(text: "a😀b", style: .init(escape: .none, splitSurrogates: true, seed: 1))
        let halves = (1...script.count).filter { script.decoded(from: 0, length: $0).hasSuffix("\u{FFFD}") }
        #expect(halves.count == 1)
        #expect(script.decoded(from: 0, length: script.count) == "a😀b")
        for start in 0..<(2 * script.count) {
            #expect(!script.decoded(from: script.safeStart(near: start), length: 1).isEmpty)
        }
    }

    @Test func requestsMayComeInFragmentsAndBinary() async throws {
        try await withGateway {
            $0.tokens = 1
        } _: { _, client in
            let request = ByteBuffer(string: chatRequest())
            try await client.send(.binary, request.getSlice(at: 0, length: 10)!, fin: false)
            try await client.send(.ping, ByteBuffer(string: "p"))
            try await client.send(.continuation, ByteBuffer(), fin: false)
            try await client.send(.continuation, request.getSlice(at: 10, length: request.readableBytes - 10)!)
            #expect(try JoinedAnswer(try await client.messages(until: isUsage)).contents[0]?.count == 1)
        }
    }

    @Test(arguments: ["unmasked", "continuation", "nested", "large"])
    func protocolViolationsCloseTheConnection(kind: String) async throws {
        try await withGateway {
            $0.maximumRequestSize = 1_000
        } _: { _, client in
            let data = ByteBuffer(string: "{}")
            switch kind {
            case "unmasked": try await client.send(.text, data, masked: false)
            case "continuation": try await client.send(.continuation, data)
            case "nested":
                try await client.send(.text, data, fin: false)
                try await client.send(.text, data)
            default: try await client.send(.text, ByteBuffer(repeating: 0x20, count: 1_001))
            }
            #expect(try await client.next() == .close(kind == "large" ? 1009 : 1002))
        }
    }

    @Test(
        arguments: [
            (nil, "sk-right", 403), ("Bearer sk-wrong", "sk-right", 403), ("sk-right", "sk-right", 403),
            ("Bearer sk-right", "sk-right", 101), (nil, nil, 101), ("Bearer anything", nil, 101),
        ] as [(String?, String?, Int)])
    func keysAreChecked(authorization: String?, expected: String?, status: Int) async throws {
        var options = SimulatedGateway.Options()
        options.apiKeys = expected.map { [$0, "sk-other"] } ?? []
        let gateway = try await SimulatedGateway.start(options)
        // The connection is ended by the refusal, or by the close frame after the upgrade.
        let answer = try await withDeadline {
            try await rawExchange(
                port: gateway.port, upgradeRequest(authorization: authorization), then: emptyCloseFrame)
        }
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
        if status == 403 {
            #expect(answer.contains("\"code\":\"invalid_api_key\"") && gateway.counters.refused == 1)
        }
        await gateway.shutdown()
    }

    @Test(arguments: [
        (upgradeRequest(path: "/elsewhere"), 404), (upgradeRequest(key: false), 400),
        ("GET /v1/realtime/chat/completions HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 426),
        ("GET /v1/models HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
        ("GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200),
    ])
    func whatIsNoUpgradeIsAnsweredInHTTP(request: String, status: Int) async throws {
        let gateway = try await SimulatedGateway.start()
        let answer = try await withDeadline { try await rawExchange(port: gateway.port, request) }
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
        await gateway.shutdown()
    }

    @Test func aTakenPortIsAnError() async throws {
        let gateway = try await SimulatedGateway.start()
        var options = SimulatedGateway.Options()
        options.port = gateway.port
        let error = await #expect(throws: SimulatorError.self) { try await SimulatedGateway.start(options) }
        #expect(error?.code == .cannotListen)
        await gateway.shutdown()
    }

    @Test(
        arguments: [
            ("/x?model=gpt-4.1", "gpt-4.1"), ("/x?a=b&model=a%2Fb%20c", "a/b c"), ("/x", nil), ("/x?model=%4", "%4"),
        ]
            as [(String, String?)])
    func modelInTheQuery(uri: String, model: String?) {
        #expect(Admission.model(in: uri) == model)
    }
}
