import ChatModel
import NIOCore
import TestSupport
import Testing

@testable import Gateway

@Suite struct EventStreamParserTests {
    enum Outcome: Sendable, Equatable {
        case message(String)
        case fault(EventStreamFault)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var input: [UInt8]
        var expected: [Outcome]

        init(_ name: String, _ input: String, _ messages: String...) {
            testDescription = name
            self.input = Array(input.utf8)
            expected = messages.map { .message($0) }
        }

        init(_ name: String, bytes: [UInt8], _ expected: [Outcome]) {
            testDescription = name
            input = bytes
            self.expected = expected
        }
    }

    static let limit = 100

    /// Feeds the input in pieces, as a connection does; `cut` says how long the next piece is.
    static func outcomes(_ input: [UInt8], maximum: Int = limit, cut: () -> Int) -> [Outcome] {
        var parser = EventStreamParser(maximumEventSize: maximum)
        var outcomes: [Outcome] = []
        var buffer: [UInt8] = []
        var rest = input[...]
        while !rest.isEmpty {
            let piece = rest.prefix(max(cut(), 1))
            buffer += piece
            rest = rest.dropFirst(piece.count)
            reading: while !buffer.isEmpty {
                switch buffer.withUnsafeBytes({ parser.next($0) }) {
                case .needsMore(let used):
                    buffer.removeFirst(used)
                    #expect(buffer.count <= 2 * maximum + 16, "no more than the limit is held")
                    break reading
                case .event(let used, .message(let range)):
                    outcomes.append(.message(String(decoding: buffer[range], as: UTF8.self)))
                    buffer.removeFirst(used)
                case .event(let used, .assembledMessage):
                    outcomes.append(.message(String(buffer: parser.assembled)))
                    parser.discardAssembled()
                    buffer.removeFirst(used)
                case .event(_, .fault(let fault)):
                    outcomes.append(.fault(fault))
                    return outcomes
                }
            }
        }
        return outcomes
    }

    @Test(arguments: accepted + refused)
    func table(_ test: Case) {
        for step in [1, 2, 3, 7, test.input.count] {
            #expect(Self.outcomes(test.input) { step } == test.expected, "in pieces of \(step)")
        }
    }

    static let accepted: [Case] = [
        Case("one event", "data: x\n\n", "x"),
        Case("without the space", "data:x\n\n", "x"),
        Case("one space only is skipped", "data:  x \n\n", " x "),
        Case("a tab is none", "data:\tx\n\n", "\tx"),
        Case("CRLF", "data: x\r\n\r\ndata: y\r\n\r\n", "x", "y"),
        Case("CR", "data: x\r\rdata: y\r\r", "x", "y"),
        Case("ends of all kinds", "data: x\r\n\rdata: y\n\r\ndata: z\r\n\n", "x", "y", "z"),
        Case("a CR, then an event of its own", "data: x\r\r\ndata: y\n\n", "x", "y"),
        Case("a byte order mark", "\u{FEFF}data: x\n\n", "x"),
        Case("only at the start", "data: x\n\n\u{FEFF}data: y\n\n", "x"),
        Case("and only one", "\u{FEFF}\u{FEFF}data: x\n\n"),
        Case("a byte order mark alone in its line", "\u{FEFF}\ndata: x\n\n", "x"),
        Case("a mark within the data", "data: \u{FEFF}x\n\n", "\u{FEFF}x"),
        Case("comments", ":\n: keep-alive\n\ndata: x\n:between\n\n:data: y\n\n", "x"),
        Case("several lines", "data: x\ndata: y\ndata:z\n\n", "x\ny\nz"),
        Case("several lines, CRLF", "data: x\r\ndata: y\r\n\r\n", "x\ny"),
        Case("empty lines of data", "data:\ndata\ndata: \n\n", "\n\n"),
        Case("a field without a colon", "data\n\n", ""),
        Case("an empty value", "data:\n\n", ""),
        Case("two events after several lines", "data: a\ndata: b\n\ndata: c\n\n", "a\nb", "c"),
        Case("other fields", "event: x\nid: 1\ndata: x\nretry: 10\n\n", "x"),
        Case("other fields only", "event: ping\n\nid: 1\n\n"),
        Case("longer and shorter names", "dataa: x\ndat: x\nDATA: x\n data: x\n\n"),
        Case("a colon in the value", "data: {\"a\":1}\n\n", "{\"a\":1}"),
        Case(
            "JSON, and no blank line between", "data: {\"a\":1}\ndata: {\"b\":2}\ndata: [DONE]\n", "{\"a\":1}",
            "{\"b\":2}", "[DONE]"),
        Case("JSON in two lines", "data: {\"a\":\ndata: 1}\n\n", "{\"a\":\n1}"),
        Case(
            "JSON alone in its line", "{\"a\":1}\n{\"b\":2}\n\n[{\"c\":3}]\n[DONE]\n", "{\"a\":1}", "{\"b\":2}",
            "[{\"c\":3}]", "[DONE]"),
        Case("an error as a field", "error: {\"code\":500}\n\n", "{\"code\":500}"),
        Case("blank lines between", "\n\n\ndata: x\n\n\n\n", "x"),
        Case("an event without its blank line", "data: x\n\ndata: y\n", "x"),
        Case("a line without its end", "data: x\n\ndata: y", "x"),
        Case("text", "data: 안녕 👩‍👩‍👧‍👦 é\n\n", "안녕 👩‍👩‍👧‍👦 é"),
        Case("NUL is a character", "data: a\0b\n\n", "a\0b"),
        Case("no input", ""),
        Case("nearly the limit", "data: \(text(100))\n\ndata: x\n\n", text(100), "x"),
        Case("the limit in two lines", "data: \(text(50))\ndata: \(text(49))\n\n", text(50) + "\n" + text(49)),
        Case("the longest comment", ":\(text(105))\ndata: x\n\n", "x"),
        Case("many comments", String(repeating: ":\(text(50))\n", count: 100) + "data: x\n\n", "x"),
        Case("within an event", "data: x\n" + String(repeating: ":\(text(50))\n", count: 100) + "\n", "x"),
    ]

    static let refused: [Case] = [
        Case("over the limit", bytes: event(text(101)), [.fault(.eventTooLarge)]),
        Case(
            "far over it", bytes: event("x") + Array("data: \(text(300))".utf8),
            [.message("x"), .fault(.eventTooLarge)]),
        Case("over it without the space", bytes: Array("data:\(text(101))\n".utf8), [.fault(.eventTooLarge)]),
        Case("over it in two lines", bytes: event("\(text(50))\ndata: \(text(50))"), [.fault(.eventTooLarge)]),
        Case(
            "over it in empty lines", bytes: Array(String(repeating: "data\n", count: 200).utf8),
            [.fault(.eventTooLarge)]),
        Case("a comment over it", bytes: Array(":\(text(107))".utf8), [.fault(.eventTooLarge)]),
        Case("and whole", bytes: Array(":\(text(107))\n".utf8) + event("x"), [.fault(.eventTooLarge)]),
        Case("not UTF-8", bytes: Array("data: ".utf8) + [0xFF] + Array("\n\n".utf8), [.fault(.notUTF8)]),
        Case("a surrogate", bytes: Array("data: ".utf8) + [0xED, 0xA0, 0x80, 10, 10], [.fault(.notUTF8)]),
        Case("a cut character", bytes: Array("data: x".utf8) + [0xED, 0x95, 10, 10], [.fault(.cutCharacter)]),
        Case(
            "cut by a line", bytes: Array("data: ".utf8) + [0xED, 10] + Array("data: ".utf8), [.fault(.cutCharacter)]),
        Case("a comment may hold anything", bytes: [0x3A, 0xFF, 10] + event("x"), [.message("x")]),
    ]

    static func text(_ count: Int) -> String { String(repeating: "x", count: count) }

    static func event(_ text: String) -> [UInt8] { Array("data: \(text)\n\n".utf8) }

    /// An event that is whole in the bytes is a range of them; one whose blank line comes later waits in place.
    @Test func nothingIsCopied() {
        var parser = EventStreamParser(maximumEventSize: Self.limit)
        let bytes = Array(": c\r\n\r\ndata: abc\r\n\r\ndata: de\r\n".utf8)
        bytes.withUnsafeBytes { bytes in
            #expect(parser.next(bytes) == .event(used: 19, .message(13..<16)))
            let rest = UnsafeRawBufferPointer(rebasing: bytes[19...])
            #expect(parser.next(rest) == .needsMore(used: 7))
            #expect(parser.assembled.capacity == 0)
        }
        Array("de\r\n\r".utf8).withUnsafeBytes { bytes in
            #expect(parser.next(bytes) == .event(used: 5, .message(0..<2)))
        }
    }

    /// What is called an error is one, whatever its data looks like.
    @Test(arguments: [
        ("error: {\"a\":1}\n\n", true), ("event: error\ndata: {\"a\":1}\n\n", true), ("data: {\"a\":1}\n\n", false),
        ("event: error\n\ndata: {\"a\":1}\n\n", false), ("event: ping\ndata: {\"a\":1}\n\n", false),
        ("event: error\ndata: x\ndata: y\n\n", true),
    ])
    func errorsByName(text: String, isError: Bool) {
        var parser = EventStreamParser(maximumEventSize: Self.limit)
        Array(text.utf8).withUnsafeBytes { _ = parser.next($0) }
        #expect(parser.isError == isError)
    }

    /// At the end of the body an event needs no blank line, nor a line feed, if it is whole.
    @Test(arguments: [
        ("data: {\"a\":1}", "{\"a\":1}"), ("data: [DONE]", "[DONE]"), ("{\"a\":1}", "{\"a\":1}"),
        ("data: {\"a\":", nil),
        ("data: x", nil), ("data: x\n", "x"), ("", nil), (": c", nil),
    ])
    func theEndOfTheBody(text: String, message: String?) {
        var parser = EventStreamParser(maximumEventSize: Self.limit)
        var rest = Array(text.utf8)
        rest.withUnsafeBytes { bytes in
            if case .needsMore(let used) = parser.next(bytes) { rest = Array(bytes.dropFirst(used)) }
        }
        let event = rest.withUnsafeBytes { parser.end($0) }
        let found: String? =
            if case .message(let range)? = event { String(decoding: rest[range], as: UTF8.self) } else { nil }
        #expect(found == message)
    }

    /// Random streams, cut at random, against a reader that looks at the whole of the text at once.
    @Test func randomStreams() {
        var random = SeededGenerator(seed: 7)
        let words = [
            "data", "data:", "data: ", "x", "{}", ":", ": c", "\n", "\n", "\n\n", "\r", "\r\n", "\r\n\r\n", "id: 1",
            "event", " ", "é", "👍", "\u{FEFF}", "[DONE]",
        ]
        for round in 0..<4000 {
            let text = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                words[Int.random(in: 0..<words.count, using: &random)]
            }.joined()
            let longest = Int.random(in: 1...9, using: &random)
            let found = Self.outcomes(Array(text.utf8), maximum: 1000) { Int.random(in: 1...longest, using: &random) }
            #expect(found == Self.reference(text).map { .message($0) }, "round \(round): \(text.debugDescription)")
        }
    }

    /// The standard's own steps on a whole text, and what is understood beyond it.
    static func reference(_ text: String) -> [String] {
        var scalars = Array(text.unicodeScalars)
        if scalars.first == "\u{FEFF}" { scalars.removeFirst() }
        var lines: [[Unicode.Scalar]] = [[]]
        var index = 0
        while index < scalars.count {
            let scalar = scalars[index]
            if scalar == "\r", index + 1 < scalars.count, scalars[index + 1] == "\n" { index += 1 }
            if scalar == "\n" || scalar == "\r" { lines.append([]) } else { lines[lines.count - 1].append(scalar) }
            index += 1
        }
        var events: [String] = []
        var data = ""
        for line in lines.dropLast() {
            var view = String.UnicodeScalarView()
            view.append(contentsOf: line)
            let line = String(view)
            if line.isEmpty {
                if !data.isEmpty { events.append(String(String.UnicodeScalarView(data.unicodeScalars.dropLast()))) }
                data = ""
                continue
            }
            let scalars = line.unicodeScalars
            let isBare = line.hasPrefix("{") || line.hasPrefix("[{") || line == "[DONE]"
            let isWhole = { (text: String) in
                text == "[DONE]" || (text.hasPrefix("{") && (try? JSONValue(parsing: text.utf8)) != nil)
            }
            if isBare {
                if data.isEmpty, isWhole(line) { events.append(line) } else { data += line + "\n" }
                continue
            }
            let name = scalars.prefix { $0 != ":" }
            var value = scalars.dropFirst(name.count + 1)
            if value.first == " " { value = value.dropFirst() }
            if String(String.UnicodeScalarView(name)) == "data" {
                let text = String(String.UnicodeScalarView(value))
                if data.isEmpty, isWhole(text) { events.append(text) } else { data += text + "\n" }
            }
        }
        return events
    }
}
