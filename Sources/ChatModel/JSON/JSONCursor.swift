/// A strict reader of JSON text (RFC 8259) that copies nothing: it walks, checks, and reports ranges.
///
/// Everything that it steps over is validated, also what the caller does not look at, so that a text that was walked
/// to its end can be spliced into another. UTF-8 is not its concern: the caller validates the bytes first
/// (`UTF8Validator`). Text over 4 GiB is out of its range; callers limit sizes far below.
@usableFromInline
struct JSONCursor {
    /// Read with bounds known: every access is below `end`.
    @usableFromInline let base: UnsafePointer<UInt8>
    @usableFromInline let end: Int
    @usableFromInline var offset = 0

    /// The contents of a string, without its quotes.
    struct RawString: BitwiseCopyable {
        var range: ByteRange
        var hasEscapes: Bool
    }

    /// - Parameter bytes: must outlive the cursor.
    init(_ bytes: UnsafeRawBufferPointer) {
        base = bytes.assumingMemoryBound(to: UInt8.self).baseAddress ?? UnsafePointer(Self.nothing)
        end = bytes.count
    }

    nonisolated(unsafe) private static let nothing: UnsafeMutablePointer<UInt8> = {
        let byte = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
        byte.initialize(to: 0)
        return byte
    }()

    @inline(__always)
    mutating func skipWhitespace() {
        while offset < end {
            switch base[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset &+= 1
            default: return
            }
        }
    }

    /// The next byte after white space, not consumed.
    @inline(__always)
    mutating func peek() throws(JSONError) -> UInt8 {
        skipWhitespace()
        guard offset < end else { throw JSONError(.unexpectedEnd, at: offset) }
        return base[offset]
    }

    /// Consumes `byte`, which must come next after white space.
    @inline(__always)
    mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard try peek() == byte else { throw JSONError(.unexpectedByte, at: offset) }
        offset &+= 1
    }

    /// Nothing but white space may follow.
    mutating func expectEnd() throws(JSONError) {
        skipWhitespace()
        guard offset == end else { throw JSONError(.trailingBytes, at: offset) }
    }

    /// After a value in an array or object: `true` and consumes where a comma follows, `false` at `close`.
    @inline(__always)
    mutating func nextElement(closing close: UInt8) throws(JSONError) -> Bool {
        let byte = try peek()
        offset &+= 1
        if byte == 0x2C { return true }
        guard byte == close else { throw JSONError(.unexpectedByte, at: offset &- 1) }
        return false
    }

    /// After `{` or `[`: `true` and consumes where the container is empty.
    @inline(__always)
    mutating func isEmptyContainer(closing close: UInt8) throws(JSONError) -> Bool {
        guard try peek() == close else { return false }
        offset &+= 1
        return true
    }

    /// A key with its colon.
    @inline(__always)
    mutating func key() throws(JSONError) -> RawString {
        let key = try string()
        try expect(0x3A)
        return key
    }

    @inline(__always)
    mutating func string() throws(JSONError) -> RawString {
        try expect(0x22)
        let start = offset
        var hasEscapes = false
        while true {
            skipPlainText()
            guard offset < end else { throw JSONError(.unexpectedEnd, at: offset) }
            let byte = base[offset]
            if byte == 0x22 {
                let range = ByteRange(from: start, to: offset)
                offset &+= 1
                return RawString(range: range, hasEscapes: hasEscapes)
            }
            guard byte == 0x5C else { throw JSONError(.controlCharacter, at: offset) }
            hasEscapes = true
            try escape()
        }
    }

    /// Moves to the next quote, backslash or control character, eight bytes at a time.
    @inline(__always)
    private mutating func skipPlainText() {
        let raw = UnsafeRawPointer(base)
        while offset &+ 8 <= end {
            let word = raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
            let hits =
                Self.zeroBytes(word ^ 0x2222_2222_2222_2222)
                | Self.zeroBytes(word ^ 0x5C5C_5C5C_5C5C_5C5C)
                | ((word &- 0x2020_2020_2020_2020) & ~word & 0x8080_8080_8080_8080)
            if hits != 0 {
                // Borrows can only spoil bytes after the first hit, and only the first is used.
                offset &+= hits.littleEndian.trailingZeroBitCount &>> 3
                return
            }
            offset &+= 8
        }
        while offset < end {
            let byte = base[offset]
            if byte == 0x22 || byte == 0x5C || byte < 0x20 { return }
            offset &+= 1
        }
    }

    /// The high bit of every zero byte (and, by a borrow, perhaps of later bytes).
    @inline(__always)
    private static func zeroBytes(_ word: UInt64) -> UInt64 {
        (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080
    }

    private mutating func escape() throws(JSONError) {
        let start = offset
        offset &+= 1
        guard offset < end else { throw JSONError(.unexpectedEnd, at: offset) }
        let kind = base[offset]
        offset &+= 1
        switch kind {
        case 0x22, 0x5C, 0x2F, 0x62, 0x66, 0x6E, 0x72, 0x74: return
        case 0x75:
            guard offset &+ 4 <= end else { throw JSONError(.unexpectedEnd, at: end) }
            for index in offset..<(offset &+ 4) where HexDigit.value(base[index]) == nil {
                throw JSONError(.badEscape, at: start)
            }
            offset &+= 4
        default: throw JSONError(.badEscape, at: start)
        }
    }

    /// A number after RFC 8259's grammar; its bytes.
    mutating func number() throws(JSONError) -> ByteRange {
        skipWhitespace()
        let start = offset
        if offset < end, base[offset] == 0x2D { offset &+= 1 }
        guard offset < end else { throw JSONError(.unexpectedEnd, at: offset) }
        if base[offset] == 0x30 {
            offset &+= 1
        } else {
            try digits(from: start)
        }
        if offset < end, base[offset] == 0x2E {
            offset &+= 1
            try digits(from: start)
        }
        if offset < end, base[offset] | 0x20 == 0x65 {
            offset &+= 1
            if offset < end, base[offset] == 0x2B || base[offset] == 0x2D { offset &+= 1 }
            try digits(from: start)
        }
        return ByteRange(from: start, to: offset)
    }

    private mutating func digits(from start: Int) throws(JSONError) {
        let first = offset
        while offset < end, base[offset] &- 0x30 < 10 { offset &+= 1 }
        guard offset > first else { throw JSONError(.badNumber, at: start) }
    }

    /// `true`, `false` or `null`.
    mutating func literal() throws(JSONError) {
        skipWhitespace()
        for word in Self.literals where matches(word, at: offset) {
            offset &+= word.utf8CodeUnitCount
            return
        }
        throw JSONError(.unexpectedByte, at: offset)
    }

    private static let literals: [StaticString] = ["null", "true", "false"]

    /// Consumes `null` where it comes next.
    @inline(__always)
    mutating func consumeNull() throws(JSONError) -> Bool {
        guard try peek() == 0x6E else { return false }
        guard matches("null", at: offset) else { throw JSONError(.unexpectedByte, at: offset) }
        offset &+= 4
        return true
    }

    /// Steps over one value of any kind; its range, without white space around it.
    @discardableResult
    mutating func skipValue(depth: Int) throws(JSONError) -> ByteRange {
        let byte = try peek()
        let start = offset
        switch byte {
        case 0x22: _ = try string()
        case 0x7B:
            guard depth > 0 else { throw JSONError(.tooDeep, at: offset) }
            offset &+= 1
            if try !isEmptyContainer(closing: 0x7D) {
                repeat {
                    _ = try key()
                    try skipValue(depth: depth &- 1)
                } while try nextElement(closing: 0x7D)
            }
        case 0x5B:
            guard depth > 0 else { throw JSONError(.tooDeep, at: offset) }
            offset &+= 1
            if try !isEmptyContainer(closing: 0x5D) {
                repeat { try skipValue(depth: depth &- 1) } while try nextElement(closing: 0x5D)
            }
        case 0x2D, 0x30...0x39: _ = try number()
        default: try literal()
        }
        return ByteRange(from: start, to: offset)
    }

    @inline(__always)
    func matches(_ text: StaticString, at offset: Int) -> Bool {
        let count = text.utf8CodeUnitCount
        guard offset &+ count <= end else { return false }
        let expected = text.utf8Start
        for index in 0..<count where base[offset &+ index] != expected[index] { return false }
        return true
    }

    /// The bytes of `range` are exactly `text`.
    @inline(__always)
    func equals(_ range: ByteRange, _ text: StaticString) -> Bool {
        Int(range.count) == text.utf8CodeUnitCount && matches(text, at: Int(range.start))
    }

    func bytes(_ range: ByteRange) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + Int(range.start), count: Int(range.count))
    }
}
