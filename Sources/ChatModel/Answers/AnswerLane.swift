/// One string of an answer that grows: the text of a choice, its reasoning, the arguments of a tool call. Its pieces stand
/// in the log's bytes, between those of other strings.
struct AnswerLane: Sendable {
    enum Kind: BitwiseCopyable, Sendable {
        case content
        /// Another string of the delta.
        case member
        /// Of a tool call.
        case arguments
        /// A tool call has begun: one byte stands for it.
        case call
    }

    let choice: Int32
    let kind: Kind
    /// The raw name of a member.
    let key: [UInt8]
    /// The place of its call in the log's table; -1: it is of none.
    let call: Int
    /// Some piece has escapes.
    private(set) var hasEscapes = false
    /// The first half of a surrogate pair whose second half has not come yet; 0 for none.
    private var heldSurrogate: UInt16 = 0
    /// It has something for the message that is being taken.
    var isPending = false

    init(_ kind: Kind, of choice: Int32, key: [UInt8] = [], call: Int = -1) {
        self.choice = choice
        self.kind = kind
        self.key = key
        self.call = call
    }

    var isHolding: Bool { heldSurrogate != 0 }

    /// Adds a piece. No allocation but the growth of `bytes`.
    @inline(__always)
    mutating func append(_ text: UnsafeRawBufferPointer, hasEscapes: Bool, to bytes: inout [UInt8]) {
        if hasEscapes || heldSurrogate != 0 {
            self.hasEscapes = true
            appendEscaped(text, to: &bytes)
        } else {
            bytes.append(contentsOf: text)
        }
    }

    /// Adds text in which surrogates may be lone, or cut from their other half by the end of a chunk.
    private mutating func appendEscaped(_ text: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        var index = 0
        while index < text.count {
            if text[index] == 0x5C, index &+ 1 < text.count {
                guard text[index &+ 1] == 0x75, let unit = HexDigit.unit(text, at: index &+ 2) else {
                    release(to: &bytes)
                    bytes.append(contentsOf: text[index..<(index &+ 2)])
                    index &+= 2
                    continue
                }
                append(unit: unit, raw: UnsafeRawBufferPointer(rebasing: text[index..<(index &+ 6)]), to: &bytes)
                index &+= 6
            } else {
                release(to: &bytes)
                var next = index &+ 1
                while next < text.count, text[next] != 0x5C { next &+= 1 }
                bytes.append(contentsOf: text[index..<next])
                index = next
            }
        }
    }

    private mutating func append(unit: UInt16, raw: UnsafeRawBufferPointer, to bytes: inout [UInt8]) {
        switch unit & 0xFC00 {
        case 0xD800:
            release(to: &bytes)
            heldSurrogate = unit
        case 0xDC00 where heldSurrogate != 0:
            Self.append(heldSurrogate, to: &bytes)
            heldSurrogate = 0
            bytes.append(contentsOf: raw)
        case 0xDC00:
            Self.append(0xFFFD, to: &bytes)
        default:
            release(to: &bytes)
            bytes.append(contentsOf: raw)
        }
    }

    /// Half of a pair whose other half does not come is replaced.
    mutating func release(to bytes: inout [UInt8]) {
        guard heldSurrogate != 0 else { return }
        heldSurrogate = 0
        hasEscapes = true
        Self.append(0xFFFD, to: &bytes)
    }

    private static func append(_ unit: UInt16, to bytes: inout [UInt8]) {
        bytes.append("\\u")
        for shift in [12, 8, 4, 0] as [UInt16] {
            let digit = UInt8(truncatingIfNeeded: unit &>> shift & 15)
            bytes.append(digit < 10 ? 0x30 &+ digit : 0x37 &+ digit)
        }
    }
}
