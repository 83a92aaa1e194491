import NIOCore
import Testing

@testable import Gateway

@Suite struct WebSocketMessageAssemblerTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var frames: [[UInt8]]
        /// The result of each frame; a message is given as its bytes.
        var expected: [Outcome]
        var testDescription: String { name }

        init(_ name: String, _ frames: [[UInt8]], _ expected: [Outcome]) {
            self.name = name
            self.frames = frames
            self.expected = expected
        }
    }

    enum Outcome: Sendable, Equatable {
        case fragment, pong
        case message([UInt8])
        case ping([UInt8])
        case close(UInt16?)
        case fault(WebSocketFault)
        case needsMore
    }

    static let limit = 1000

    /// Feeds whole input in pieces of `step` bytes, as a connection does.
    static func outcomes(_ input: [UInt8], step: Int, fragments: Int = 16) -> [Outcome] {
        var assembler = WebSocketMessageAssembler(maximumMessageSize: limit, maximumFragments: fragments)
        var outcomes: [Outcome] = []
        var buffer: [UInt8] = []
        var rest = input[...]
        while !rest.isEmpty {
            buffer += rest.prefix(step)
            rest = rest.dropFirst(step)
            while true {
                let result = buffer.withUnsafeBytes { assembler.next($0) }
                guard case .frame(let size, let event) = result else { break }
                switch event {
                case .fragment: outcomes.append(.fragment)
                case .pong: outcomes.append(.pong)
                case .message(let range): outcomes.append(.message(Array(buffer[range])))
                case .assembledMessage:
                    outcomes.append(.message(Array(assembler.assembled.readableBytesView)))
                    assembler.discardAssembled()
                case .ping(let range): outcomes.append(.ping(Array(buffer[range])))
                case .close(let code): outcomes.append(.close(code))
                case .fault(let fault):
                    outcomes.append(.fault(fault))
                    return outcomes
                }
                buffer.removeFirst(size)
                if buffer.isEmpty { break }
            }
        }
        if !buffer.isEmpty { outcomes.append(.needsMore) }
        return outcomes
    }

    @Test(arguments: accepted + refused)
    func table(_ test: Case) {
        let input = test.frames.flatMap { $0 }
        for step in [1, 2, 3, 7, input.count] where step > 0 {
            #expect(Self.outcomes(input, step: step) == test.expected, "in pieces of \(step)")
        }
    }

    static let hangul = Array("안녕, 세계 👩‍👩‍👧‍👦 é".utf8)
    static let big = [UInt8](repeating: 0x61, count: 1000)

    static let accepted: [Case] = [
        Case("1.1.1 empty text", [ServerFrame.text("")], [.message([])]),
        Case("1.1.2 short text", [ServerFrame.text("hi")], [.message(Array("hi".utf8))]),
        Case("1.1.4 text of 126", [ServerFrame.frame(1, Array(big[..<126]))], [.message(Array(big[..<126]))]),
        Case("1.2 binary", [ServerFrame.frame(2, hangul)], [.message(hangul)]),
        Case("exactly the limit", [ServerFrame.frame(1, big)], [.message(big)]),
        Case("2.1 empty ping", [ServerFrame.frame(9, [])], [.ping([])]),
        Case("2.3 binary ping", [ServerFrame.frame(9, [0, 255, 254])], [.ping([0, 255, 254])]),
        Case("2.4 longest ping", [ServerFrame.frame(9, Array(big[..<125]))], [.ping(Array(big[..<125]))]),
        Case("2.7 unasked pong", [ServerFrame.frame(10, [])], [.pong]),
        Case(
            "5.3 two fragments", [ServerFrame.text("a", fin: false), ServerFrame.frame(0, [0x62])],
            [.fragment, .message([0x61, 0x62])]),
        Case(
            "5.6 ping between fragments",
            [ServerFrame.text("a", fin: false), ServerFrame.frame(9, [1]), ServerFrame.frame(0, [0x62])],
            [.fragment, .ping([1]), .message([0x61, 0x62])]),
        Case(
            "5.19 empty fragments",
            [
                ServerFrame.frame(1, [], fin: false), ServerFrame.frame(0, [], fin: false),
                ServerFrame.frame(0, []),
            ], [.fragment, .fragment, .message([])]),
        Case(
            "6.2 a character cut between fragments",
            [ServerFrame.frame(1, [hangul[0]], fin: false), ServerFrame.frame(0, Array(hangul.dropFirst()))],
            [.fragment, .message(hangul)]),
        Case(
            "one message after another", [ServerFrame.text("a"), ServerFrame.text("b")],
            [.message([0x61]), .message([0x62])]),
        Case("7.7 every close code that may be sent", [ServerFrame.close(1000)], [.close(1000)]),
        Case("7.1 close without a code", [ServerFrame.close(nil)], [.close(nil)]),
        Case("7.3.6 longest close reason", [ServerFrame.close(1000, Array(big[..<123]))], [.close(1000)]),
        Case("half a header", [[0x81]], [.needsMore]),
        Case("half a frame", [[0x81, 126, 1, 0] + hangul], [.needsMore]),
    ]

    static let refused: [Case] =
        (1...7).map { rsv in
            Case("3.\(rsv) reserved bits", [ServerFrame.frame(1, [0x61], rsv: UInt8(rsv))], [.fault(.reservedBits)])
        }
        + [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map { opcode in
            Case(
                "4 reserved opcode \(opcode)", [ServerFrame.frame(UInt8(opcode), [0x61])], [.fault(.reservedOpcode)])
        } + [
            Case("3.5 reserved bits on a ping", [ServerFrame.frame(9, [], rsv: 4)], [.fault(.reservedBits)]),
            Case("2.5 ping of 126", [ServerFrame.frame(9, Array(big[..<126]))], [.fault(.longControlFrame)]),
            Case("7.3.6 close of 126", [ServerFrame.frame(8, Array(big[..<126]))], [.fault(.longControlFrame)]),
            Case("5.1 fragmented ping", [ServerFrame.frame(9, [], fin: false)], [.fault(.fragmentedControlFrame)]),
            Case("5.2 fragmented pong", [ServerFrame.frame(10, [], fin: false)], [.fault(.fragmentedControlFrame)]),
            Case("fragmented close", [ServerFrame.frame(8, [], fin: false)], [.fault(.fragmentedControlFrame)]),
            Case("5.9 continuation of nothing", [ServerFrame.frame(0, [0x61])], [.fault(.unexpectedContinuation)]),
            Case(
                "5.12 continuation after the end", [ServerFrame.text("a"), ServerFrame.frame(0, [0x61], fin: false)],
                [.message([0x61]), .fault(.unexpectedContinuation)]),
            Case(
                "5.18 text inside a message", [ServerFrame.text("a", fin: false), ServerFrame.text("b")],
                [.fragment, .fault(.interruptedMessage)]),
            Case(
                "binary inside a message", [ServerFrame.text("a", fin: false), ServerFrame.binary("b")],
                [.fragment, .fault(.interruptedMessage)]),
            Case("7.3.2 close of one byte", [ServerFrame.frame(8, [3])], [.fault(.closeTooShort)]),
            Case(
                "7.5.1 close reason not UTF-8", [ServerFrame.close(1000, [0xCE, 0xBA, 0xED, 0xA0, 0x80])],
                [.fault(.closeReasonNotUTF8)]),
            Case(
                "close reason cut in a character", [ServerFrame.close(1000, [0xEC, 0x95])],
                [.fault(.closeReasonNotUTF8)]),
            Case(
                "masked frame", [ServerFrame.frame(1, [0x61], mask: [1, 2, 3, 4])], [.fault(.maskedFrame)]),
            Case(
                "masked with zeros", [ServerFrame.frame(1, [0x61], mask: [0, 0, 0, 0])], [.fault(.maskedFrame)]),
            Case("masked ping", [ServerFrame.frame(9, [], mask: [0, 0, 0, 0])], [.fault(.maskedFrame)]),
            Case(
                "length 5 in two bytes", [ServerFrame.frame(1, [1, 2, 3, 4, 5], lengthBytes: 2)],
                [.fault(.wastefulLength)]),
            Case(
                "length 200 in eight bytes", [ServerFrame.frame(1, Array(big[..<200]), lengthBytes: 8)],
                [.fault(.wastefulLength)]),
            Case("one over the limit", [ServerFrame.frame(1, big + [0x61])], [.fault(.messageTooLarge)]),
            Case("a length of 2^63", [[0x81, 127, 0x80, 0, 0, 0, 0, 0, 0, 0]], [.fault(.messageTooLarge)]),
            Case("a length of 2^64-1", [[0x81, 127] + [UInt8](repeating: 255, count: 8)], [.fault(.messageTooLarge)]),
            Case(
                "fragments over the limit", [ServerFrame.frame(1, big, fin: false), ServerFrame.frame(0, [0x61])],
                [.fragment, .fault(.messageTooLarge)]),
            Case("6.3 not UTF-8", [ServerFrame.frame(1, [0xCE, 0xBA, 0xED, 0xA0, 0x80])], [.fault(.notUTF8)]),
            Case("binary not UTF-8", [ServerFrame.frame(2, [0xFF])], [.fault(.notUTF8)]),
            Case(
                "6.4 fails in the fragment that shows it",
                [ServerFrame.frame(1, [0xED], fin: false), ServerFrame.frame(0, [0xA0], fin: false)],
                [.fragment, .fault(.notUTF8)]),
            Case(
                "6.4.3 fails in a frame that is not whole", [[0x81, 126, 1, 0] + hangul + [0xC0]],
                [.fault(.notUTF8)]),
            Case("text ends in a character", [ServerFrame.frame(1, [0x61, 0xEC, 0x95])], [.fault(.cutCharacter)]),
            Case("binary ends in a character", [ServerFrame.frame(2, [0xF0, 0x9F])], [.fault(.cutCharacter)]),
            Case(
                "fragments end in a character",
                [ServerFrame.frame(1, [0xEC], fin: false), ServerFrame.frame(0, [0x95])],
                [.fragment, .fault(.cutCharacter)]),
        ]

    @Test func closeCodes() {
        let valid = Set([1000, 1001, 1002, 1003] + Array(1007...1014) + Array(3000...4999))
        for code in 0...5000 {
            let outcome = Self.outcomes(ServerFrame.close(UInt16(code)), step: 200)
            #expect(outcome == [valid.contains(code) ? .close(UInt16(code)) : .fault(.closeCode)])
        }
    }

    /// Autobahn 6.2 and more: a text of many scripts, cut at every byte into two fragments, in TCP pieces of one byte.
    @Test func cutAnywhere() {
        for cut in 0...Self.hangul.count {
            let frames =
                ServerFrame.frame(1, Array(Self.hangul[..<cut]), fin: false)
                + ServerFrame.frame(9, [7]) + ServerFrame.frame(0, Array(Self.hangul[cut...]))
            for step in [1, frames.count] {
                #expect(Self.outcomes(frames, step: step) == [.fragment, .ping([7]), .message(Self.hangul)])
            }
        }
    }

    /// Where binary is no text (a conformance suite's echo), only text has to be UTF-8.
    @Test func binaryOfAnyBytes() {
        var assembler = WebSocketMessageAssembler(maximumMessageSize: 100, maximumFragments: 4, isBinaryText: false)
        let binary = ServerFrame.frame(2, [0xFF, 0xEC])
        #expect(binary.withUnsafeBytes { assembler.next($0) } == .frame(size: 4, .message(2..<4)))
        #expect(assembler.isBinary)
        let parts = [
            ServerFrame.frame(2, [0xFF], fin: false), ServerFrame.frame(9, []), ServerFrame.frame(0, [0xFE]),
        ]
        let last = parts.map { part in part.withUnsafeBytes { assembler.next($0) } }.last
        #expect(last == .frame(size: 3, .assembledMessage))
        #expect(assembler.isBinary && Array(assembler.assembled.readableBytesView) == [0xFF, 0xFE])
        assembler.discardAssembled()
        let text = ServerFrame.frame(1, [0xFF])
        #expect(text.withUnsafeBytes { assembler.next($0) } == .frame(size: 2, .fault(.notUTF8)))
        #expect(!assembler.isBinary)
    }

    @Test func fragmentLimit() {
        let many = (0..<17).flatMap { ServerFrame.frame($0 == 0 ? 1 : 0, [0x61], fin: false) }
        #expect(
            Self.outcomes(many, step: many.count)
                == [Outcome](repeating: .fragment, count: 16) + [.fault(.tooManyFragments)])
    }

    @Test func closeCodesToAnswer() {
        #expect(WebSocketFault.notUTF8.closeCode == 1007)
        #expect(WebSocketFault.cutCharacter.closeCode == 1007)
        #expect(WebSocketFault.messageTooLarge.closeCode == 1009)
        #expect(WebSocketFault.reservedBits.closeCode == 1002)
        #expect(
            GatewayFailure.fault(.streaming, WebSocketFault.cutCharacter).message.contains("inside a UTF-8 character"))
    }
}
