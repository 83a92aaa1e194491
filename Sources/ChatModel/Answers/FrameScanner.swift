/// Reads one message of a gateway: what it is, and where its parts stand. One pass, nothing copied or allocated, and
/// the whole message is checked to be JSON, so that it may be spliced into another. Runs on event loops, for each
/// token.
///
/// Keys may come in any order and unknown ones at any level (llama.cpp puts `choices` first). A null counts as
/// absent. The shape is OpenAI's `chat.completion.chunk`. Where a reader of the same message could understand another
/// text (a key that matters stands twice, or is spelled with escapes) the message is refused.
public enum FrameScanner {
    /// Deepest nesting of a message that is not refused.
    static let maximumDepth = 64

    /// - Parameter bytes: UTF-8 that was validated as such.
    public static func scan(_ bytes: UnsafeRawBufferPointer) -> ScanResult {
        var cursor = JSONCursor(bytes)
        cursor.skipWhitespace()
        if cursor.matches("[DONE]", at: cursor.offset) {
            cursor.offset &+= 6
            cursor.skipWhitespace()
            if cursor.offset == cursor.end { return .done }
            return .invalid(JSONError(.trailingBytes, at: cursor.offset))
        }
        do throws(JSONError) {
            guard try cursor.peek() == 0x7B else {
                try cursor.skipValue(depth: maximumDepth)
                try cursor.expectEnd()
                return .other
            }
            var message = Message()
            try message.read(&cursor)
            try cursor.expectEnd()
            if message.isError { return .error }
            guard !message.isWhole, message.hasChoicesKey || !message.chunk.usage.isEmpty else { return .other }
            return .chunk(message.chunk)
        } catch {
            return .invalid(error)
        }
    }

    /// The top-level object while it is read.
    private struct Message {
        var chunk = ScannedChunk()
        var isError = false
        var isWhole = false
        var hasChoicesKey = false

        @inline(__always)
        mutating func read(_ cursor: inout JSONCursor) throws(JSONError) {
            try cursor.expect(0x7B)
            if try cursor.isEmptyContainer(closing: 0x7D) { return }
            repeat {
                let key = try cursor.key()
                if try cursor.consumeNull() { continue }
                try member(key, &cursor)
            } while try cursor.nextElement(closing: 0x7D)
        }

        @inline(__always)
        private mutating func member(_ name: JSONCursor.RawString, _ cursor: inout JSONCursor) throws(JSONError) {
            let key = name.range
            switch key.count {
            case 2 where cursor.equals(key, "id"):
                try FrameScanner.once(&chunk.id, "id", &cursor) { c throws(JSONError) in try FrameScanner.text(&c) }
            case 5 where cursor.equals(key, "model"):
                try FrameScanner.once(&chunk.model, "model", &cursor) { c throws(JSONError) in
                    try FrameScanner.text(&c)
                }
            case 5 where cursor.equals(key, "usage"):
                try FrameScanner.once(&chunk.usage, "usage", &cursor) { c throws(JSONError) in
                    guard try c.peek() == 0x7B else { throw JSONError(.unexpectedByte, at: c.offset, key: "usage") }
                    return try c.skipValue(depth: maximumDepth)
                }
            case 5 where cursor.equals(key, "error"):
                isError = true
                try cursor.skipValue(depth: maximumDepth)
            case 4 where cursor.equals(key, "type"):
                let value = try cursor.skipValue(depth: maximumDepth)
                if cursor.equals(value, "\"error\"") { isError = true } else { chunk.isPlain = false }
            case 6 where cursor.equals(key, "object"):
                // A whole answer in one message is no chunk: the gateway has ignored `stream`.
                isWhole = cursor.equals(try cursor.skipValue(depth: maximumDepth), "\"chat.completion\"")
            case 7 where cursor.equals(key, "created"):
                try FrameScanner.once(&chunk.created, "created", &cursor) { c throws(JSONError) in try c.number() }
            case 7 where cursor.equals(key, "choices"):
                guard !hasChoicesKey else { throw JSONError(.duplicateKey, at: cursor.offset, key: "choices") }
                hasChoicesKey = true
                try choices(&cursor)
            case 18 where cursor.equals(key, "system_fingerprint"):
                try FrameScanner.once(&chunk.systemFingerprint, "system_fingerprint", &cursor) { c throws(JSONError) in
                    try FrameScanner.text(&c)
                }
            case 12 where cursor.equals(key, "service_tier"):
                try FrameScanner.once(&chunk.serviceTier, "service_tier", &cursor) { c throws(JSONError) in
                    try FrameScanner.text(&c)
                }
            case 11 where cursor.equals(key, "obfuscation"):
                // OpenAI's random padding against traffic analysis: worth nothing behind the gateway.
                try cursor.skipValue(depth: maximumDepth)
            default:
                try FrameScanner.refuseDisguise(name, of: ["choices"], &cursor)
                chunk.isPlain = false
                try cursor.skipValue(depth: maximumDepth)
            }
        }

        @inline(__always)
        private mutating func choices(_ cursor: inout JSONCursor) throws(JSONError) {
            try cursor.expect(0x5B)
            if try cursor.isEmptyContainer(closing: 0x5D) { return }
            chunk.hasChoices = true
            var count = 0
            repeat {
                count &+= 1
                var choice = Choice()
                try choice.read(&cursor)
                if choice.isFinished { chunk.finishedChoices |= 1 &<< UInt64(min(choice.index, 63)) }
                chunk.carriesOutput = chunk.carriesOutput || choice.carriesOutput
                guard choice.index == 0 else {
                    chunk.isPlain = false
                    continue
                }
                if count > 1 { chunk.isPlain = false }
                chunk.isPlain = chunk.isPlain && choice.isPlain
                if count > 1 {
                    guard chunk.content.isEmpty || choice.content.isEmpty else {
                        throw JSONError(.duplicateKey, at: cursor.offset, key: "index")
                    }
                    if choice.content.isEmpty { continue }
                }
                chunk.role = choice.role
                chunk.content = choice.content
                chunk.contentHasEscapes = choice.contentHasEscapes
                chunk.finishReason = choice.finishReason
            } while try cursor.nextElement(closing: 0x5D)
        }
    }

    /// One element of `choices` while it is read.
    private struct Choice {
        var index = 0
        var role = ByteRange.empty
        var content = ByteRange.empty
        var finishReason = ByteRange.empty
        var contentHasEscapes = false
        var isFinished = false
        var isPlain = true
        var carriesOutput = false
        private var hasDelta = false
        private var hasIndex = false

        @inline(__always)
        mutating func read(_ cursor: inout JSONCursor) throws(JSONError) {
            try cursor.expect(0x7B)
            if try cursor.isEmptyContainer(closing: 0x7D) { return }
            repeat {
                let name = try cursor.key()
                let key = name.range
                if try cursor.consumeNull() { continue }
                switch key.count {
                case 5 where cursor.equals(key, "delta"):
                    guard !hasDelta else { throw JSONError(.duplicateKey, at: cursor.offset, key: "delta") }
                    hasDelta = true
                    try delta(&cursor)
                case 5 where cursor.equals(key, "index"):
                    guard !hasIndex else { throw JSONError(.duplicateKey, at: cursor.offset, key: "index") }
                    hasIndex = true
                    try readIndex(&cursor)
                case 13 where cursor.equals(key, "finish_reason"):
                    finishReason = try FrameScanner.text(&cursor)
                    isFinished = true
                default:
                    try FrameScanner.refuseDisguise(name, of: ["delta", "index"], &cursor)
                    isPlain = false
                    try cursor.skipValue(depth: maximumDepth)
                }
            } while try cursor.nextElement(closing: 0x7D)
        }

        private mutating func readIndex(_ cursor: inout JSONCursor) throws(JSONError) {
            let digits = try cursor.number()
            var value = 0
            guard digits.count <= 9 else { throw JSONError(.badNumber, at: Int(digits.start), key: "index") }
            for byte in cursor.bytes(digits) {
                guard byte &- 0x30 < 10 else { throw JSONError(.badNumber, at: Int(digits.start), key: "index") }
                value = value &* 10 &+ Int(byte &- 0x30)
            }
            index = value
        }

        @inline(__always)
        private mutating func delta(_ cursor: inout JSONCursor) throws(JSONError) {
            try cursor.expect(0x7B)
            if try cursor.isEmptyContainer(closing: 0x7D) { return }
            repeat {
                let name = try cursor.key()
                let key = name.range
                if try cursor.consumeNull() { continue }
                switch key.count {
                case 7 where cursor.equals(key, "content"):
                    guard content.isEmpty else {
                        throw JSONError(.duplicateKey, at: cursor.offset, key: "content")
                    }
                    let text = try cursor.string()
                    content = text.range
                    contentHasEscapes = text.hasEscapes
                    if !content.isEmpty { carriesOutput = true }
                case 4 where cursor.equals(key, "role"):
                    role = try FrameScanner.text(&cursor)
                case 10 where cursor.equals(key, "tool_calls"):
                    // vLLM sends an empty array in every delta.
                    let value = try cursor.skipValue(depth: maximumDepth)
                    if !cursor.equals(value, "[]") { bringOutput() }
                default:
                    try FrameScanner.refuseDisguise(name, of: ["content"], &cursor)
                    try cursor.skipValue(depth: maximumDepth)
                    bringOutput()
                }
            } while try cursor.nextElement(closing: 0x7D)
        }

        private mutating func bringOutput() {
            isPlain = false
            carriesOutput = true
        }
    }

    /// Throws where an unknown key is one of `names` once it is decoded.
    @inline(__always)
    private static func refuseDisguise(
        _ key: JSONCursor.RawString, of names: @autoclosure () -> [String], _ cursor: inout JSONCursor
    ) throws(JSONError) {
        guard key.hasEscapes else { return }
        let name = JSONText.string(cursor.bytes(key.range))
        guard !names().contains(name) else { throw JSONError(.duplicateKey, at: cursor.offset, key: name) }
    }

    @inline(__always)
    private static func text(_ cursor: inout JSONCursor) throws(JSONError) -> ByteRange {
        try cursor.string().range
    }

    /// Reads the value of a key that may stand once.
    @inline(__always)
    private static func once(
        _ range: inout ByteRange, _ key: String, _ cursor: inout JSONCursor,
        _ read: (inout JSONCursor) throws(JSONError) -> ByteRange
    ) throws(JSONError) {
        guard range.isEmpty else { throw JSONError(.duplicateKey, at: cursor.offset, key: key) }
        range = try read(&cursor)
    }
}
