/// JSON as a tree, for cold paths: errors, settings, tests, results with tool calls. Strict, like `JSONCursor`, and
/// besides it refuses duplicate keys and bad UTF-8. Numbers keep their text.
public indirect enum JSONValue: Sendable, Equatable {
    public struct Member: Sendable, Equatable {
        public var key: String
        public var value: JSONValue

        public init(_ key: String, _ value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    case null
    case bool(Bool)
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    public init(parsing bytes: UnsafeRawBufferPointer, maximumDepth: Int = 128) throws(JSONError) {
        try JSONStrictness.validate(bytes, maximumDepth: maximumDepth)
        var cursor = JSONCursor(bytes)
        self = try Self.value(&cursor)
    }

    public init(parsing bytes: some Sequence<UInt8>) throws(JSONError) {
        let result = Array(bytes).withUnsafeBytes { buffer in
            Result { () throws(JSONError) in try JSONValue(parsing: buffer) }
        }
        self = try result.get()
    }

    /// Reads a text that the scanner has walked to its end already. A key that stands twice is no error here, as it was
    /// none there: the last value that is not null counts.
    init(scanned bytes: UnsafeRawBufferPointer) throws(JSONError) {
        var cursor = JSONCursor(bytes)
        self = try Self.value(&cursor, mergesKeys: true)
    }

    public static func integer(_ number: some BinaryInteger) -> JSONValue { .number(String(number)) }

    /// The value of a key, or `nil` where this is not an object that has it.
    public subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    public var stringValue: String? { if case .string(let text) = self { text } else { nil } }
    public var integerValue: Int? { if case .number(let text) = self { Int(text) } else { nil } }
    public var doubleValue: Double? { if case .number(let text) = self { Double(text) } else { nil } }
    public var arrayValue: [JSONValue]? { if case .array(let values) = self { values } else { nil } }
    public var isNull: Bool { self == .null }

    public func serialized() -> [UInt8] {
        var output: [UInt8] = []
        append(to: &output)
        return output
    }

    public func append(to output: inout [UInt8]) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let flag): output.append(contentsOf: (flag ? "true" : "false").utf8)
        case .number(let text): output.append(contentsOf: text.utf8)
        case .string(let text): JSONText.appendQuoted(text.utf8, to: &output)
        case .array(let values):
            output.append(0x5B)
            for (index, value) in values.enumerated() {
                if index > 0 { output.append(0x2C) }
                value.append(to: &output)
            }
            output.append(0x5D)
        case .object(let members):
            output.append(0x7B)
            for (index, member) in members.enumerated() {
                if index > 0 { output.append(0x2C) }
                JSONText.appendQuoted(member.key.utf8, to: &output)
                output.append(0x3A)
                member.value.append(to: &output)
            }
            output.append(0x7D)
        }
    }

    /// One value of a text that `JSONStrictness` has accepted.
    private static func value(
        _ cursor: inout JSONCursor, mergesKeys: Bool = false
    ) throws(JSONError) -> JSONValue {
        switch try cursor.peek() {
        case 0x22: return .string(JSONText.string(cursor.bytes(try cursor.string().range)))
        case 0x7B:
            try cursor.expect(0x7B)
            var members: [Member] = []
            if try !cursor.isEmptyContainer(closing: 0x7D) {
                repeat {
                    let key = JSONText.string(cursor.bytes(try cursor.key().range))
                    members.append(Member(key, try value(&cursor, mergesKeys: mergesKeys)))
                } while try cursor.nextElement(closing: 0x7D)
            }
            return .object(mergesKeys ? merged(members) : members)
        case 0x5B:
            try cursor.expect(0x5B)
            var values: [JSONValue] = []
            if try !cursor.isEmptyContainer(closing: 0x5D) {
                repeat {
                    values.append(try value(&cursor, mergesKeys: mergesKeys))
                } while try cursor.nextElement(closing: 0x5D)
            }
            return .array(values)
        case 0x74:
            try cursor.literal()
            return .bool(true)
        case 0x66:
            try cursor.literal()
            return .bool(false)
        case 0x6E:
            try cursor.literal()
            return .null
        default:
            return .number(String(decoding: cursor.bytes(try cursor.number()), as: UTF8.self))
        }
    }

    /// Each key once, at its first place.
    private static func merged(_ members: [Member]) -> [Member] {
        var places: [[UInt8]: Int] = [:]
        var result: [Member] = []
        for member in members {
            let key = Array(member.key.utf8)
            if let place = places[key] {
                if !member.value.isNull { result[place].value = member.value }
            } else {
                places[key] = result.count
                result.append(member)
            }
        }
        return result
    }
}
