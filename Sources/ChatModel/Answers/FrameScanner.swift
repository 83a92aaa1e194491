/// Reads one message of a gateway: what it is, and where its parts stand. One pass, nothing copied, and the whole message
/// is checked to be JSON, so that it may be spliced into another. Runs on event loops, for each token.
///
/// Lenient: keys may come in any order and unknown ones at any level, a null counts as absent, and what cannot be read
/// (another type than OpenAI's) is passed over, unless it is no JSON. Only where a reader of the same message could
/// understand another text (a key that matters stands twice, or is spelled with escapes) is the message refused.
public enum FrameScanner {
    /// Deepest nesting of a message that is not refused.
    static let maximumDepth = 64
    /// Choices above it count as this one.
    static let maximumChoice: Int32 = 1023

    /// What a message is; of a chunk, all that was found stands in the `ScannedChunk` that was filled.
    enum Kind: Equatable {
        case chunk, done, error, other
        case invalid(JSONError)
    }

    /// - Parameter bytes: UTF-8 that was validated as such.
    public static func scan(_ bytes: UnsafeRawBufferPointer) -> ScanResult {
        var chunk = ScannedChunk()
        return switch scan(bytes, isSingleChoice: false, into: &chunk) {
        case .chunk: .chunk(chunk)
        case .done: .done
        case .error: .error
        case .other: .other
        case .invalid(let error): .invalid(error)
        }
    }

    /// - Parameters:
    ///   - isSingleChoice: one choice was asked for: an index that counts up is no other choice.
    ///   - chunk: emptied, and filled again.
    static func scan(
        _ bytes: UnsafeRawBufferPointer, isSingleChoice: Bool, into chunk: inout ScannedChunk
    ) -> Kind {
        var cursor = JSONCursor(bytes)
        chunk.reset()
        cursor.skipWhitespace()
        if cursor.matches("[DONE]", at: cursor.offset) {
            cursor.offset &+= 6
            cursor.skipWhitespace()
            if cursor.offset == cursor.end { return .done }
            return .invalid(JSONError(.trailingBytes, at: cursor.offset))
        }
        do throws(JSONError) {
            guard try cursor.peek() == 0x7B else {
                let isError = try listOfErrors(&cursor)
                try cursor.expectEnd()
                return isError ? .error : .other
            }
            var message = MessageScan(isSingleChoice: isSingleChoice)
            try message.read(&cursor, into: &chunk)
            try cursor.expectEnd()
            if message.isError { return .error }
            return message.hasChoicesKey || !chunk.usage.isEmpty ? .chunk : .other
        } catch {
            return .invalid(error)
        }
    }

    /// Steps over a value that is no object. `true`: a list whose first element has an error (Gemini's).
    private static func listOfErrors(_ cursor: inout JSONCursor) throws(JSONError) -> Bool {
        let start = cursor.offset
        let isList = try cursor.peek() == 0x5B
        try cursor.skipValue(depth: maximumDepth)
        guard isList else { return false }
        var inner = cursor
        inner.offset = start &+ 1
        guard try inner.peek() == 0x7B else { return false }
        var message = MessageScan(isSingleChoice: false)
        var chunk = ScannedChunk()
        try message.read(&inner, into: &chunk)
        return message.isError
    }

    /// Throws where an unknown key is one of `names` once it is decoded.
    @inline(__always)
    static func refuseDisguise(
        _ key: JSONCursor.RawString, of names: @autoclosure () -> [String], _ cursor: inout JSONCursor
    ) throws(JSONError) {
        guard key.hasEscapes else { return }
        let name = JSONText.string(cursor.bytes(key.range))
        guard !names().contains(name) else { throw JSONError(.duplicateKey, at: cursor.offset, key: name) }
    }

    /// A string's contents, or a number's digits; anything else is stepped over.
    @inline(__always)
    static func word(_ cursor: inout JSONCursor) throws(JSONError) -> ByteRange {
        switch try cursor.peek() {
        case 0x22: return try cursor.string().range
        case 0x2D, 0x30...0x39: return try cursor.number()
        default:
            try cursor.skipValue(depth: maximumDepth)
            return .empty
        }
    }

    /// An index that may be a number or digits in quotes; `nil` where it is neither.
    static func index(_ cursor: inout JSONCursor) throws(JSONError) -> (value: Int32, digits: ByteRange)? {
        let isQuoted = try cursor.peek() == 0x22
        let digits = try word(&cursor)
        guard !digits.isEmpty, digits.count <= 9 else { return nil }
        var value: Int32 = 0
        for byte in cursor.bytes(digits) {
            guard byte &- 0x30 < 10 else { return nil }
            value = value &* 10 &+ Int32(byte &- 0x30)
        }
        let range = isQuoted ? ByteRange(start: digits.start &- 1, count: digits.count &+ 2) : digits
        return (value, range)
    }

    /// The `usage` object at the cursor, or the first one of a list; empty where it is something else.
    static func usage(_ cursor: inout JSONCursor) throws(JSONError) -> ByteRange {
        let isList = try cursor.peek() == 0x5B
        let value = try cursor.skipValue(depth: maximumDepth)
        guard isList else { return cursor.bytes(value).first == 0x7B ? value : .empty }
        var inner = cursor
        inner.offset = Int(value.start) &+ 1
        guard try inner.peek() == 0x7B else { return .empty }
        return try inner.skipValue(depth: maximumDepth)
    }

    /// A value that says nothing: `{}`, `[]`, `""`, `false` or `0`.
    static func isNothing(_ value: UnsafeRawBufferPointer) -> Bool {
        switch value.first {
        case 0x7B, 0x5B: value.dropFirst().dropLast().allSatisfy { $0 == 0x20 || (0x09...0x0D).contains($0) }
        case 0x22: value.count == 2
        case 0x66, 0x6E: true
        case 0x30: value.count == 1
        default: false
        }
    }
}
