import ChatModel
import Testing

@testable import GatewaySimulator

/// What is asked over HTTP, on the port of the WebSocket.
@Suite(.serialized) struct EventStreamTests {
    static func post(_ body: String, path: String = "/v1/chat/completions", headers: [String] = []) -> String {
        let lines = ["POST \(path) HTTP/1.1", "Host: localhost", "Content-Length: \(body.utf8.count)"] + headers
        return lines.joined(separator: "\r\n") + "\r\n\r\n" + body
    }

    /// The answer's head, and its body out of its chunks.
    static func split(_ answer: String) throws -> (head: String, body: [UInt8]) {
        let bytes = Array(answer.utf8)
        let end = try #require(answer.utf8.firstRange(of: Array("\r\n\r\n".utf8)))
        let start = answer.utf8.distance(from: answer.utf8.startIndex, to: end.upperBound)
        let head = String(decoding: bytes[..<start], as: UTF8.self)
        guard head.lowercased().contains("transfer-encoding: chunked") else { return (head, Array(bytes[start...])) }
        var body: [UInt8] = []
        var rest = bytes[start...]
        while let line = rest.firstIndex(of: 0x0D) {
            guard let size = Int(String(decoding: rest[rest.startIndex..<line], as: UTF8.self), radix: 16), size > 0
            else {
                break
            }
            body += rest.dropFirst(line + 2 - rest.startIndex).prefix(size)
            rest = rest.dropFirst(line + 2 - rest.startIndex + size + 2)
        }
        return (head, body)
    }

    static func withGateway(
        _ change: (inout SimulatedGateway.Options) throws -> Void = { _ in },
        _ body: @escaping @Sendable (SimulatedGateway) async throws -> Void
    ) async throws {
        var options = SimulatedGateway.Options()
        options.closesAfterAnswer = true
        try change(&options)
        let gateway = try await SimulatedGateway.start(options)
        do {
            try await withDeadline { try await body(gateway) }
        } catch {
            await gateway.shutdown()
            throw error
        }
        await gateway.shutdown()
    }

    @Test(arguments: LineEnd.allCases, [false, true])
    func streamsEvents(_ lineEnd: LineEnd, cut: Bool) async throws {
        try await Self.withGateway {
            $0.lineEnd = lineEnd
            $0.sendsComments = true
            $0.fragmentsMessages = cut
        } _: { gateway in
            #expect(gateway.httpURL == "http://127.0.0.1:\(gateway.port)/v1/chat/completions")
            let answer = try await rawExchange(port: gateway.port, Self.post(chatRequest("\"user\":\"u\"")))
            let (head, body) = try Self.split(answer)
            #expect(head.hasPrefix("HTTP/1.1 200 OK"))
            #expect(head.lowercased().contains("content-type: text/event-stream"))
            #expect(String(decoding: body, as: UTF8.self).contains(": keep-alive"))
            var parser = ServerSentEventParser()
            var events = try parser.consume(body)
            #expect(events.popLast() == Array("[DONE]".utf8))
            let texts = try events.map { event in
                try JSONValue(parsing: event)["choices"]?.arrayValue?.first?["delta"]?["content"]?.stringValue ?? ""
            }
            #expect(texts.joined() == BuiltInText.text)
            let recorded = try #require(gateway.answers(user: "u").first)
            #expect(recorded.end == .complete && recorded.text == BuiltInText.text)
            #expect(gateway.counters.requests == 1 && gateway.counters.connections == 1)
        }
    }

    @Test func keepsTheConnection() async throws {
        try await Self.withGateway {
            $0.tokens = 2
            $0.closesAfterAnswer = false
        } _: { gateway in
            let requests = Self.post(chatRequest()) + Self.post(chatRequest(), headers: ["Connection: close"])
            let answer = try await rawExchange(port: gateway.port, requests)
            #expect(answer.components(separatedBy: "data: [DONE]").count == 3)
            #expect(gateway.counters.connections == 1 && gateway.counters.answers == 2)
        }
    }

    @Test(arguments: [
        ("refuse:429:7", "HTTP/1.1 429", "retry-after: 7"), ("refuse:503", "HTTP/1.1 503", "server_error"),
        ("refuse:301", "HTTP/1.1 301", "error"),
    ])
    func refuses(_ fault: String, _ status: String, _ part: String) async throws {
        try await Self.withGateway {
            $0.faults = [try FaultRule(parsing: fault)]
        } _: { gateway in
            let answer = try await rawExchange(port: gateway.port, Self.post(chatRequest()))
            #expect(answer.hasPrefix(status))
            #expect(answer.contains(part))
            #expect(gateway.counters.refused == 1)
        }
    }

    @Test func asksForTheKey() async throws {
        try await Self.withGateway {
            $0.apiKeys = ["sk-right"]
            $0.tokens = 1
        } _: { gateway in
            let wrong = try await rawExchange(port: gateway.port, Self.post(chatRequest()))
            #expect(wrong.hasPrefix("HTTP/1.1 403"))
            let right = try await rawExchange(
                port: gateway.port, Self.post(chatRequest(), headers: ["Authorization: Bearer sk-right"]))
            #expect(right.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func answersWhole() async throws {
        try await Self.withGateway {
            $0.tokens = 3
        } _: { gateway in
            let answer = try await rawExchange(port: gateway.port, Self.post(chatRequest(stream: false)))
            let (head, body) = try Self.split(answer)
            #expect(head.lowercased().contains("content-type: application/json"))
            #expect(try JSONValue(parsing: body)["object"] == .string("chat.completion"))
        }
    }

    @Test func refusesWhatIsNoRequest() async throws {
        try await Self.withGateway { gateway in
            let answer = try await rawExchange(port: gateway.port, Self.post("{"))
            #expect(answer.hasPrefix("HTTP/1.1 400"))
            let other = try await rawExchange(
                port: gateway.port, Self.post("{}", path: "/v1/other", headers: ["Connection: close"]))
            #expect(other.hasPrefix("HTTP/1.1 404"))
        }
    }

    /// The body breaks off, or ends as if all were well.
    @Test(arguments: [("cut:3", false), ("reset:3", false), ("close:1000:3", true)])
    func breaksOff(_ fault: String, _ endsWell: Bool) async throws {
        try await Self.withGateway {
            $0.faults = [try FaultRule(parsing: fault)]
        } _: { gateway in
            let answer = (try? await rawExchange(port: gateway.port, Self.post(chatRequest()))) ?? ""
            #expect(!answer.contains("[DONE]"))
            #expect(answer.hasSuffix("0\r\n\r\n") == endsWell)
            #expect(gateway.answer(request: 0)?.tokens == 3)
        }
    }
}
