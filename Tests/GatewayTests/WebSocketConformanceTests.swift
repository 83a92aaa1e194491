import Gateway
import NIOCore
import Synchronization
import Testing

/// The cases of Autobahn|Testsuite that a connection answers on its socket (`make autobahn` plays them all), against a
/// connection that carries a job. Numbers are the suite's.
@Suite(.timeLimit(.minutes(1))) struct WebSocketConformanceTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var sent: [UInt8]
        /// What the client says before it closes, pongs first.
        var pongs: [[UInt8]] = []
        var closeCode: Int?
        var testDescription: String { name }

        init(_ name: String, _ sent: [[UInt8]], pongs: [[UInt8]] = [], close: Int?) {
            self.name = name
            self.sent = sent.flatMap { $0 }
            self.pongs = pongs
            closeCode = close
        }
    }

    static let chunk = ServerFrame.text(AnswerText.chunk("x"))
    static let goodbye = ServerFrame.close(1000)

    static let cases: [Case] =
        [
            Case("2.2 ping", [ServerFrame.frame(9, [1, 2]), goodbye], pongs: [[1, 2]], close: 1000),
            Case(
                "2.4 ping of 125 bytes", [ServerFrame.frame(9, [UInt8](repeating: 0xFE, count: 125)), goodbye],
                pongs: [[UInt8](repeating: 0xFE, count: 125)], close: 1000),
            Case("2.5 ping of 126 bytes", [ServerFrame.frame(9, [UInt8](repeating: 0xFE, count: 126))], close: 1002),
            Case(
                "2.10 ten pings", (0..<10).map { ServerFrame.frame(9, [$0]) } + [goodbye],
                pongs: (0..<10).map { [$0] }, close: 1000),
            Case("3.2 reserved bit after a message", [chunk, ServerFrame.frame(1, [0x61], rsv: 2)], close: 1002),
            Case("4.1.3 reserved opcode after a message", [chunk, ServerFrame.frame(5, [])], close: 1002),
            Case("4.2.1 reserved control opcode", [ServerFrame.frame(11, [])], close: 1002),
            Case("5.1 fragmented ping", [ServerFrame.frame(9, [], fin: false)], close: 1002),
            Case(
                "5.7 ping between fragments, then the close",
                [ServerFrame.text("{", fin: false), ServerFrame.frame(9, [7]), goodbye], pongs: [[7]], close: 1000),
            Case("5.9 continuation of nothing", [ServerFrame.frame(0, [0x61])], close: 1002),
            Case(
                "5.18 text inside a message", [ServerFrame.text("{", fin: false), ServerFrame.text("}")], close: 1002),
            Case("6.3.1 not UTF-8", [ServerFrame.frame(1, [0xCE, 0xBA, 0xED, 0xA0, 0x80])], close: 1007),
            Case(
                "6.4.1 not UTF-8 in the second of three fragments",
                [ServerFrame.frame(1, [0xCE, 0xBA], fin: false), ServerFrame.frame(0, [0xF4, 0x90], fin: false)],
                close: 1007),
            Case("6.4.3 not UTF-8 in a frame that is not whole", [[0x81, 21, 0xCE, 0xBA, 0xF4, 0x90]], close: 1007),
            Case("6.4.4 the same, at its first byte", [[0x81, 21, 0xFE]], close: 1007),
            Case("6.4.3 with the length in two bytes", [[0x81, 126, 1, 0, 0xC0]], close: 1007),
            Case("7.1.1 close", [goodbye], close: 1000),
            Case("7.1.2 two closes", [goodbye, goodbye], close: 1000),
            Case("7.1.3 ping after the close", [goodbye, ServerFrame.frame(9, [1])], close: 1000),
            Case("7.1.4 text after the close", [goodbye, chunk], close: 1000),
            Case(
                "7.1.5 close, then the rest of a message",
                [ServerFrame.text("{", fin: false), goodbye, ServerFrame.frame(0, [0x7D])], close: 1000),
            Case("7.3.1 close without a payload", [ServerFrame.close(nil)], close: nil),
            Case("7.3.2 close of one byte", [ServerFrame.frame(8, [3])], close: 1002),
            Case("7.3.4 close with a reason", [ServerFrame.close(1000, Array("Bye".utf8))], close: 1000),
            Case(
                "7.3.6 close of 126 bytes", [ServerFrame.close(1000, [UInt8](repeating: 0x2A, count: 124))], close: 1002
            ),
            Case("7.5.1 close reason not UTF-8", [ServerFrame.close(1000, [0xCE, 0xED, 0xA0, 0x80])], close: 1007),
        ]
        + [1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map { (code: UInt16) in
            Case("7.7 close code \(code)", [ServerFrame.close(code)], close: Int(code))
        }
        + [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535].map { (code: UInt16) in
            Case("7.9 and 7.13 close code \(code)", [ServerFrame.close(code)], close: 1002)
        }

    /// The client answers with these frames and none besides, closes once, and then its end of the connection.
    @Test(arguments: cases)
    func answer(_ test: Case) async throws {
        let frames = try await Self.answers(to: test.sent)
        #expect(frames.dropLast().map(\.opcode) == test.pongs.map { _ in 10 })
        #expect(frames.dropLast().map(\.payload) == test.pongs)
        let close = try #require(frames.last)
        #expect(close.opcode == 8)
        #expect(close.closeCode == test.closeCode)
        #expect(frames.allSatisfy { $0.isMasked && $0.isFinal })
    }

    /// 6.4.3: refused by what has come, whatever was to follow, in TCP pieces of every size.
    @Test(arguments: [1, 2, 3])
    func refusesAFrameBeforeItsEnd(step: Int) async throws {
        let frames = try await Self.answers(to: [0x81, 30] + Array("κόσμε".utf8) + [0xF4, 0x90], step: step)
        #expect(frames.map(\.closeCode) == [1007])
    }

    /// All that the client sends after its request, up to the end of the connection.
    private static func answers(to bytes: [UInt8], step: Int? = nil) async throws -> [TestPeer.ClientFrame] {
        let answers = Mutex<[TestPeer.ClientFrame]>([])
        let closed = Signal()
        try await TestGateway.run { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            for start in stride(from: 0, to: bytes.count, by: step ?? max(bytes.count, 1)) {
                try await peer.send(Array(bytes[start..<min(start + (step ?? bytes.count), bytes.count)]))
            }
            while let frame = try? await peer.readFrame() { answers.withLock { $0.append(frame) } }
            closed.fire()
        } body: { gateway in
            let client = try gateway.client()
            _ = try await client.start().result()
            try await closed.wait()
            await client.shutdown()
        }
        return answers.withLock { $0 }
    }
}
