import TOMLKit

/// A TOML document as plain values. TOMLKit's own are pointers into a C++ tree that nothing keeps alive or frees, so
/// they are copied out once, right after parsing.
enum TOMLNode: Sendable, Equatable {
    case table([Entry])
    case array([TOMLNode])
    case string(String)
    case integer(Int)
    case number(Double)
    case flag(Bool)
    /// A date, a time, or both: no key of the configuration takes one.
    case date

    struct Entry: Sendable, Equatable {
        var key: String
        var value: TOMLNode
    }

    /// A document that TOML does not allow.
    struct SyntaxError: Error, Equatable {
        /// From 1; `nil` where the parser gave none.
        var line: Int?
        var message: String
    }

    init(parsing text: String) throws(SyntaxError) {
        // The parser takes a C string: what stands behind a NUL would be ignored without a word.
        if let line = Self.line(ofNULIn: text) {
            throw SyntaxError(line: line, message: "the file holds a NUL byte; delete it")
        }
        // The parser (toml++ 3.4.0) has assertions that `[=]` and `x = [}` fail, and with them the process.
        var scanner = TOMLKeyScanner(text)
        scanner.scan()
        if let obstacle = scanner.obstacle {
            // Only if nothing before it is wrong, else the scan may have been misled.
            _ = try TOMLNode(parsing: String(decoding: Array(text.utf8.prefix(obstacle.offset)), as: UTF8.self))
            throw SyntaxError(line: obstacle.line, message: obstacle.message)
        }
        let root: TOMLTable
        do {
            root = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            let line = error.source.begin.line
            throw SyntaxError(line: line > 0 ? line : nil, message: error.description)
        } catch {
            throw SyntaxError(line: nil, message: "this is not TOML")
        }
        self = Self.copy(root)
    }

    /// How a person calls this kind of value.
    var kind: String {
        switch self {
        case .table: "a table"
        case .array: "a list"
        case .string: "a text"
        case .integer: "an integer"
        case .number: "a number"
        case .flag: "true or false"
        case .date: "a date"
        }
    }

    /// Not TOMLKit's iterator: that one traps on a key whose escapes make a NUL.
    private static func copy(_ table: TOMLTable) -> TOMLNode {
        .table(
            table.keys.sorted().map { key in
                Entry(key: key, value: table[key].map { copy($0) } ?? .date)
            })
    }

    private static func copy(_ value: any TOMLValueConvertible) -> TOMLNode {
        switch value.type {
        case .table: value.table.map { copy($0) } ?? .table([])
        case .array: .array((value.array ?? []).map { copy($0) })
        case .string: .string(value.string ?? "")
        case .int: .integer(value.int ?? 0)
        case .double: .number(value.double ?? .nan)
        case .bool: .flag(value.bool ?? false)
        case .date, .time, .dateTime: .date
        }
    }

    private static func line(ofNULIn text: String) -> Int? {
        var line = 1
        for byte in text.utf8 {
            if byte == 0 { return line }
            if byte == UInt8(ascii: "\n") { line += 1 }
        }
        return nil
    }
}
