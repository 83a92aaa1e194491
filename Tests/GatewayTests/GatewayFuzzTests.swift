import Foundation
import Gateway
import TestSupport
import Testing

/// Answers with a few bytes changed, over real sockets and every protocol: whatever a gateway, or who stands between, sends, a
/// request ends, and nothing traps. `CHAT_WORKER_FUZZ_INPUTS` asks for more answers than the ordinary run has time for.
@Suite(.serialized, .timeLimit(.minutes(60))) struct GatewayFuzzTests {
    private static func inputs(_ usual: Int) -> Int {
        ProcessInfo.processInfo.environment["CHAT_WORKER_FUZZ_INPUTS"].flatMap { Int($0) } ?? usual
    }

    private static let words = [
        "000", "099", "100", "101", "103", "199", "204", "304", "999", "-1", "HTTP/1.1 ", "HTTP/2.0 ", "\r\n",
        "\r\n\r\n",
        "Content-Length: 99999999999999999999\r\n", "Content-Length: -1\r\n", "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n", "Upgrade: x\r\n", "ffffffffffffffff\r\n", "0\r\n\r\n", "data: ", "\u{0}",
        "{\"error\":{}}",
    ].map { Array($0.utf8) }

    private static func mutated(_ bytes: [UInt8], seed: Int) -> [UInt8] {
        var random = SeededGenerator(seed: UInt64(seed))
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<6, using: &random) {
            case 0: bytes[index] = .random(in: 0...255, using: &random)
            case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: bytes.removeSubrange(index...)
            case 3: bytes.removeSubrange(index..<min(bytes.count, index + .random(in: 1...8, using: &random)))
            case 4: bytes.insert(contentsOf: bytes[index...].prefix(200), at: index)
            default:
                let word = words.randomElement(using: &random) ?? []
                // Over what was there, or between.
                let end = Bool.random(using: &random) ? min(bytes.count, index + word.count) : index
                bytes.replaceSubrange(index..<end, with: word)
            }
        }
        return bytes
    }

    /// Head and body of answers over HTTP/1.1; the first is a good one.
    private static let answers: [[UInt8]] = {
        let events = "data: \(AnswerText.chunk("hi"))\n\n: c\n\ndata: \(AnswerText.finish())\n\ndata: [DONE]\n\n"
        let size = String(events.utf8.count, radix: 16)
        return [
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\(size)\r\n\(events)\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: \(events.utf8.count)\r\n\r\n\(events)",
            "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n\(events)",
            "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}",
            "HTTP/1.1 403 No\r\nContent-Length: 40\r\n\r\n{\"error\":{\"code\":\"content_filter\",\"x\":1}}",
            "HTTP/1.1 000 Odd\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nabc",
        ].map { Array($0.utf8) }
    }()

    /// Frames of HTTP/2: the server's settings, their ack, and an answer on stream 1, with its head as literals.
    private static let frames: [[UInt8]] = {
        func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt8, _ payload: [UInt8]) -> [UInt8] {
            [0, UInt8(payload.count >> 8), UInt8(payload.count & 255), type, flags, 0, 0, 0, stream] + payload
        }
        func field(_ name: String, _ value: String) -> [UInt8] {
            [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
        }
        let settings = frame(4, 0, 0, [0, 3, 0, 0, 0, 100]) + frame(4, 1, 0, [])
        let type = field("content-type", "text/event-stream")
        let events = "data: \(AnswerText.chunk("hi"))\n\ndata: \(AnswerText.finish())\n\ndata: [DONE]\n\n"
        let data = frame(0, 1, 1, Array(events.utf8))
        var all = [[UInt8]]()
        for status in ["200", "103", "-1", "000", "9223372036854775808"] {
            all.append(settings + frame(1, 4, 1, field(":status", status) + type) + data)
        }
        all.append(settings + frame(1, 4, 1, field(":status", "103")) + frame(1, 4, 1, [0x88] + type) + data)
        all.append(settings + frame(1, 4, 1, [0x88] + type) + data + frame(1, 5, 1, field("x", "y")))
        all.append(settings + frame(1, 0, 1, [0x88]) + frame(9, 4, 1, type) + data)
        all.append(settings + frame(1, 4, 1, type) + data)
        all.append(
            settings + frame(8, 0, 0, [0x7F, 255, 255, 255]) + frame(6, 0, 0, [UInt8](repeating: 1, count: 8))
                + frame(5, 4, 1, [0, 0, 0, 2, 0x82]) + frame(3, 0, 1, [0, 0, 0, 8])
                + frame(7, 0, 0, [0, 0, 0, 0, 0, 0, 0, 2]))
        return all
    }()

    private static func ask(_ gateway: TestGateway, _ count: Int) async throws {
        let client = try gateway.client {
            $0.endGrace = .milliseconds(50)
            $0.firstChunkTimeout = .seconds(5)
            $0.idleTimeout = .seconds(5)
            $0.maximumIdle = 1
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for _ in stride(from: task, to: count, by: 8) {
                        let end = try await client.start().result().end
                        #expect(end != nil)
                    }
                }
            }
            try await group.waitForAll()
        }
        await client.shutdown()
    }

    @Test func upgrades() async throws {
        let tail =
            ServerFrame.text(AnswerText.chunk("hi")) + ServerFrame.text(AnswerText.finish())
            + ServerFrame.text("[DONE]")
        try await TestGateway.run { peer in
            let head = try await peer.readHead()
            let good = TestPeer.acceptance(head) + tail
            let answers = [good, good] + Self.answers
            try await peer.send(Self.mutated(answers[peer.number % answers.count], seed: peer.number))
        } body: { gateway in
            try await Self.ask(gateway, Self.inputs(1_500))
        }
    }

    @Test func answers() async throws {
        try await TestGateway.run(transport: .http1) { peer in
            _ = try await peer.readRequest()
            try await peer.send(Self.mutated(Self.answers[peer.number % Self.answers.count], seed: peer.number))
        } body: { gateway in
            try await Self.ask(gateway, Self.inputs(1_500))
        }
    }

    @Test func frames() async throws {
        let tls = try GatewayTLSTests.certificates.get().server("good", protocols: ["h2"])
        try await TestGateway.run(tls: tls, transport: .http2) { peer in
            // Preface, settings and request, whose body comes last.
            try await peer.read(through: Array("{}".utf8))
            let bytes = Self.frames[peer.number % Self.frames.count]
            try await peer.send(peer.number < Self.frames.count ? bytes : Self.mutated(bytes, seed: peer.number))
        } body: { gateway in
            try await Self.ask(gateway, Self.inputs(600))
        }
    }
}
