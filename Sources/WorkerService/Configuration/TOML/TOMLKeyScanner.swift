/// Walks over a TOML document and notes the line of every key. It knows just enough of the grammar not to be misled
/// by strings, comments, arrays over lines and inline tables.
struct TOMLKeyScanner {
    private(set) var lines: [[String]: Int] = [:]
    /// The first place at which the parser would abort the process instead of telling an error.
    private(set) var obstacle: Obstacle?
    /// Where the pair or header that is being scanned begins.
    private var statement = 0
    private let bytes: [UInt8]
    private var index = 0
    private var line = 1
    /// The table of the last header, array indexes included.
    private var table: [String] = []
    /// Elements so far of each array of tables.
    private var elements: [[String]: Int] = [:]

    struct Obstacle: Equatable {
        var line: Int
        /// Bytes before its statement; they can be given to the parser.
        var offset: Int
        var message: String
    }

    /// Parts of a place, dotted keys, lists and tables in one another counted together. No key of the configuration has
    /// more than six. The parser goes through each with recursion and in quadratic time: 20,000 take it half a minute, and
    /// 40,000 all of its stack.
    private static let deepest = 32

    init(_ text: String) {
        bytes = Array(text.utf8)
        // A byte order mark is no part of the first key.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { index = 3 }
    }

    mutating func scan() {
        while index < bytes.count {
            skipBlank(overLines: true)
            guard let byte = peek() else { return }
            let before = index
            statement = index
            if byte == UInt8(ascii: "[") { scanHeader() } else { scanPair(under: table) }
            skipToLineEnd(from: before)
        }
    }

    // MARK: - Lines

    private mutating func scanHeader() {
        index += 1
        let isElement = peek() == UInt8(ascii: "[")
        if isElement { index += 1 }
        let start = line
        skip { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        if let byte = peek(), !Self.beginsName(byte) {
            stumble("a table's name is letters, digits, _ and -, or stands in quotes")
        }
        guard let keys = scanKeys(under: []) else { return }
        var path: [String] = []
        for (position, key) in keys.enumerated() {
            path.append(key)
            if isElement, position == keys.count - 1 {
                note(path, at: start)
                elements[path, default: 0] += 1
            }
            if let count = elements[path] { path.append("[\(count - 1)]") }
            note(path, at: start)
        }
        table = path
        // The closing brackets; what follows is a comment at most.
        while let byte = peek(), byte == UInt8(ascii: "]") { index += 1 }
    }

    private mutating func scanPair(under prefix: [String]) {
        let start = line
        guard let keys = scanKeys(under: prefix) else { return }
        var path = prefix
        for key in keys {
            path.append(key)
            note(path, at: start)
        }
        skipBlank(overLines: false)
        guard peek() == UInt8(ascii: "=") else { return }
        index += 1
        scanValue(at: path)
    }

    // MARK: - Values

    private mutating func scanValue(at path: [String]) {
        skipBlank(overLines: false)
        switch peek() {
        case UInt8(ascii: "\""), UInt8(ascii: "'"): _ = scanString()
        case UInt8(ascii: "["): scanArray(at: path)
        case UInt8(ascii: "{"): scanInlineTable(at: path)
        default: skip { !Self.endsBareValue($0) }
        }
    }

    private mutating func scanArray(at path: [String]) {
        index += 1
        guard path.count < Self.deepest else { return giveUp() }
        var element = 0
        while true {
            skipBlank(overLines: true)
            guard let byte = peek() else { return }
            if byte == UInt8(ascii: "]") {
                index += 1
                return
            }
            if byte == UInt8(ascii: ",") {
                index += 1
                continue
            }
            let before = index
            if byte < 0x20 || byte >= 0x7F || byte == UInt8(ascii: "}") {
                stumble("expected a value or ] in this list")
            }
            let inner = path + ["[\(element)]"]
            note(inner, at: line)
            scanValue(at: inner)
            element += 1
            if index == before { index += 1 }
        }
    }

    private mutating func scanInlineTable(at path: [String]) {
        index += 1
        guard path.count < Self.deepest else { return giveUp() }
        while true {
            skipBlank(overLines: true)
            guard let byte = peek() else { return }
            if byte == UInt8(ascii: "}") {
                index += 1
                return
            }
            let before = index
            if byte == UInt8(ascii: ",") { index += 1 } else { scanPair(under: path) }
            if index == before { index += 1 }
        }
    }

    private mutating func stumble(_ message: String) {
        if obstacle == nil { obstacle = Obstacle(line: line, offset: statement, message: message) }
    }

    /// What stands here is too deep for the parser; nothing behind it is looked at.
    private mutating func giveUp() {
        stumble("a key or value is nested in more than \(Self.deepest) levels; no key of this file has so many")
        index = bytes.count
    }

    // MARK: - Keys and strings

    /// `a`, `a.b`, `"a b".c`, `a . 'b'`; `nil`: there is none, or it is too deep.
    private mutating func scanKeys(under prefix: [String]) -> [String]? {
        let keys = scanKeys(atMost: Self.deepest - prefix.count)
        return keys.isEmpty ? nil : keys
    }

    private mutating func scanKeys(atMost most: Int) -> [String] {
        var keys: [String] = []
        while true {
            skipBlank(overLines: false)
            guard let byte = peek() else { return keys }
            guard keys.count < most else {
                giveUp()
                return []
            }
            if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
                keys.append(scanString())
            } else {
                let start = index
                skip { Self.isBareKey($0) }
                guard index > start else { return keys }
                keys.append(String(decoding: bytes[start..<index], as: UTF8.self))
            }
            skipBlank(overLines: false)
            guard peek() == UInt8(ascii: ".") else { return keys }
            index += 1
        }
    }

    /// Any of the four kinds of strings; its value with escapes undone.
    private mutating func scanString() -> String {
        guard let quote = peek() else { return "" }
        let isMultiline = bytes[index...].starts(with: [quote, quote, quote])
        let isBasic = quote == UInt8(ascii: "\"")
        index += isMultiline ? 3 : 1
        var text: [UInt8] = []
        while let byte = peek() {
            if byte == quote {
                if !isMultiline {
                    index += 1
                    break
                }
                if bytes[index...].starts(with: [quote, quote, quote]) {
                    index += 3
                    // Up to two quotes may stand right before the closing three.
                    while peek() == quote { index += 1 }
                    break
                }
            }
            if byte == UInt8(ascii: "\n") {
                if !isMultiline { break }
                line += 1
            }
            index += 1
            if isBasic, byte == UInt8(ascii: "\\") { scanEscape(into: &text) } else { text.append(byte) }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Stands behind the backslash.
    private mutating func scanEscape(into text: inout [UInt8]) {
        guard let byte = peek() else { return }
        index += 1
        switch byte {
        case UInt8(ascii: "b"): text.append(8)
        case UInt8(ascii: "t"): text.append(9)
        case UInt8(ascii: "n"): text.append(10)
        case UInt8(ascii: "f"): text.append(12)
        case UInt8(ascii: "r"): text.append(13)
        case UInt8(ascii: "u"), UInt8(ascii: "U"):
            let digits = bytes[index...].prefix(byte == UInt8(ascii: "u") ? 4 : 8)
            index += digits.count
            let scalar = UInt32(String(decoding: digits, as: UTF8.self), radix: 16).flatMap(Unicode.Scalar.init)
            text.append(contentsOf: String(Character(scalar ?? "\u{FFFD}")).utf8)
        case UInt8(ascii: "\n"):
            line += 1
        default: text.append(byte)
        }
    }

    // MARK: - Steps

    private func peek() -> UInt8? { index < bytes.count ? bytes[index] : nil }

    /// The first place where a key stands is the one to name.
    private mutating func note(_ path: [String], at line: Int) {
        if lines[path] == nil { lines[path] = line }
    }

    private mutating func skip(while condition: (UInt8) -> Bool) {
        while let byte = peek(), condition(byte) { index += 1 }
    }

    /// Spaces and, where asked, line ends and comments.
    private mutating func skipBlank(overLines: Bool) {
        while let byte = peek() {
            switch byte {
            case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"): index += 1
            case UInt8(ascii: "\n") where overLines:
                line += 1
                index += 1
            case UInt8(ascii: "#") where overLines: skip { $0 != UInt8(ascii: "\n") }
            default: return
            }
        }
    }

    /// What is left of a line after its header or pair; always moves on.
    private mutating func skipToLineEnd(from before: Int) {
        skip { $0 != UInt8(ascii: "\n") }
        if index == before, index < bytes.count { index += 1 }
    }

    /// What the parser can take behind the bracket of a header. A `]` there is an error, but one that it knows.
    private static func beginsName(_ byte: UInt8) -> Bool {
        (isBareKey(byte) && byte < 0x80) || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
            || byte == UInt8(ascii: "]")
    }

    private static func isBareKey(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: byte >= 0x80
        }
    }

    private static func endsBareValue(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: ","), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: "#"), UInt8(ascii: "\n"): true
        default: false
        }
    }
}
