/// Validates UTF-8 that arrives in pieces: a character may be cut between two calls.
///
/// The automaton is the one of Unicode 15, table 3-7 ("Well-Formed UTF-8 Byte Sequences"), so that overlong forms,
/// surrogates and code points over U+10FFFF are refused at the first byte that shows them.
public struct UTF8Validator: Sendable {
    /// Continuation bytes still owed, and the range that the next one must be in.
    private var owed: UInt8 = 0
    private var lower: UInt8 = 0x80
    private var upper: UInt8 = 0xBF

    public init() {}

    /// No character is cut at this point.
    public var isAtBoundary: Bool { owed == 0 }

    public mutating func reset() { self = UTF8Validator() }

    /// Where the first character begins that is no UTF-8, or is cut off at the end; `nil` where the whole text is UTF-8.
    static func firstInvalid(in bytes: UnsafeRawBufferPointer) -> Int? {
        var validator = UTF8Validator()
        var offset = validator.validCount(of: bytes)
        guard offset < bytes.count || !validator.isAtBoundary else { return nil }
        // In the middle of a character, its beginning is to blame.
        if !validator.isAtBoundary { repeat { offset -= 1 } while offset > 0 && bytes[offset] & 0xC0 == 0x80 }
        return offset
    }

    /// Takes the next piece; `false` once the text cannot be UTF-8 any more.
    public mutating func consume(_ bytes: UnsafeRawBufferPointer) -> Bool { validCount(of: bytes) == bytes.count }

    /// Bytes before the one that UTF-8 does not allow; all where there is none.
    private mutating func validCount(of bytes: UnsafeRawBufferPointer) -> Int {
        let count = bytes.count
        var index = 0
        while index < count {
            if owed == 0 {
                while index &+ 8 <= count,
                    bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
                {
                    index &+= 8
                }
                guard index < count else { return count }
            }
            guard step(bytes[index]) else { return index }
            index &+= 1
        }
        return count
    }

    private mutating func step(_ byte: UInt8) -> Bool {
        if owed > 0 {
            guard byte >= lower, byte <= upper else { return false }
            owed &-= 1
            lower = 0x80
            upper = 0xBF
            return true
        }
        switch byte {
        case 0x00...0x7F: return true
        case 0xC2...0xDF: expect(1)
        case 0xE0: expect(2, from: 0xA0)
        case 0xED: expect(2, to: 0x9F)
        case 0xE1...0xEF: expect(2)
        case 0xF0: expect(3, from: 0x90)
        case 0xF1...0xF3: expect(3)
        case 0xF4: expect(3, to: 0x8F)
        default: return false
        }
        return true
    }

    private mutating func expect(_ count: UInt8, from first: UInt8 = 0x80, to last: UInt8 = 0xBF) {
        owed = count
        lower = first
        upper = last
    }
}
