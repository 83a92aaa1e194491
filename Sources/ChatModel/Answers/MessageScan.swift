/// The top-level object of a message while it is read.
struct MessageScan {
    let isSingleChoice: Bool
    var isError = false
    var hasChoicesKey = false

    private static let maximumDepth = FrameScanner.maximumDepth

    init(isSingleChoice: Bool) { self.isSingleChoice = isSingleChoice }

    @inline(__always)
    mutating func read(_ cursor: inout JSONCursor, into chunk: inout ScannedChunk) throws(JSONError) {
        try cursor.expect(0x7B)
        if try cursor.isEmptyContainer(closing: 0x7D) { return }
        repeat {
            let key = try cursor.key()
            if try cursor.consumeNull() { continue }
            try member(key, &cursor, into: &chunk)
        } while try cursor.nextElement(closing: 0x7D)
    }

    @inline(__always)
    private mutating func member(
        _ name: JSONCursor.RawString, _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        let key = name.range
        switch key.count {
        case 2 where cursor.equals(key, "id"):
            let id = try FrameScanner.word(&cursor)
            if !cursor.equals(id, "0") { chunk.id = id }
        case 5 where cursor.equals(key, "model"): chunk.model = try FrameScanner.word(&cursor)
        case 5 where cursor.equals(key, "usage"):
            let usage = try FrameScanner.usage(&cursor)
            if !usage.isEmpty { chunk.usage = usage }
        case 5 where cursor.equals(key, "error"):
            if try !FrameScanner.isNothing(cursor.bytes(cursor.skipValue(depth: Self.maximumDepth))) { isError = true }
        case 4 where cursor.equals(key, "type"):
            let value = try cursor.skipValue(depth: Self.maximumDepth)
            if cursor.equals(value, "\"error\"") { isError = true } else { keep(key, value, &chunk) }
        // What it is, is said by what it holds: a whole answer, and Perplexity's chunks, are called the same.
        case 6 where cursor.equals(key, "object"): try cursor.skipValue(depth: Self.maximumDepth)
        case 7 where cursor.equals(key, "created"): chunk.created = try FrameScanner.word(&cursor)
        case 7 where cursor.equals(key, "choices"):
            guard !hasChoicesKey else { throw JSONError(.duplicateKey, at: cursor.offset, key: "choices") }
            guard try cursor.peek() == 0x5B else {
                try cursor.skipValue(depth: Self.maximumDepth)
                return
            }
            hasChoicesKey = true
            try choices(&cursor, into: &chunk)
        case 18 where cursor.equals(key, "system_fingerprint"):
            chunk.systemFingerprint = try FrameScanner.word(&cursor)
        case 12 where cursor.equals(key, "service_tier"): chunk.serviceTier = try FrameScanner.word(&cursor)
        // OpenAI's random padding against traffic analysis: worth nothing behind the gateway.
        case 11 where cursor.equals(key, "obfuscation"):
            let value = try cursor.skipValue(depth: Self.maximumDepth)
            chunk.parts.append(.init(kind: .padding, key: key, value: value))
        case 6 where cursor.equals(key, "x_groq"):
            let value = try cursor.skipValue(depth: Self.maximumDepth)
            keep(key, value, &chunk)
            try usage(inside: value, cursor, into: &chunk)
        default:
            try FrameScanner.refuseDisguise(name, of: ["choices"], &cursor)
            let value = try cursor.skipValue(depth: Self.maximumDepth)
            if !name.hasEscapes { keep(key, value, &chunk) }
        }
    }

    private func keep(_ key: ByteRange, _ value: ByteRange, _ chunk: inout ScannedChunk) {
        chunk.parts.append(.init(kind: .chunkMember, key: key, value: value))
    }

    /// The usage that stands in an object which was walked already.
    private func usage(
        inside object: ByteRange, _ walked: JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        var cursor = walked
        cursor.offset = Int(object.start)
        guard try cursor.peek() == 0x7B else { return }
        try cursor.expect(0x7B)
        if try cursor.isEmptyContainer(closing: 0x7D) { return }
        repeat {
            let key = try cursor.key()
            guard cursor.equals(key.range, "usage") else {
                try cursor.skipValue(depth: Self.maximumDepth)
                continue
            }
            let usage = try FrameScanner.usage(&cursor)
            if !usage.isEmpty { chunk.usage = usage }
        } while try cursor.nextElement(closing: 0x7D)
    }

    @inline(__always)
    private mutating func choices(_ cursor: inout JSONCursor, into chunk: inout ScannedChunk) throws(JSONError) {
        try cursor.expect(0x5B)
        if try cursor.isEmptyContainer(closing: 0x5D) { return }
        var first = ChoiceScan()
        var count = 0
        repeat {
            guard try cursor.peek() == 0x7B else {
                try cursor.skipValue(depth: Self.maximumDepth)
                continue
            }
            count &+= 1
            var choice = ChoiceScan()
            try choice.read(&cursor, into: &chunk)
            isError = isError || choice.isError
            if count == 1 {
                first = choice
                continue
            }
            if count == 2 {
                first.close(as: first.index, &chunk)
            }
            let sameText = first.index == choice.index && first.hasContent && choice.hasContent
            guard !sameText else { throw JSONError(.duplicateKey, at: cursor.offset, key: "index") }
            choice.close(as: choice.index, &chunk)
        } while try cursor.nextElement(closing: 0x5D)
        chunk.hasChoices = count > 0
        if count == 1 { first.close(as: isSingleChoice ? 0 : first.index, &chunk) }
    }
}
