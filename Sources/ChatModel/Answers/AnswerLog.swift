/// One answer: all that the gateway sent of it, and how much of that the reply queue has had.
///
/// Text is kept as the raw (escaped) bytes in which it came, one string in one buffer, so that what waits, what a
/// reset must say again and the final text are the same bytes, and a joined chunk is a copy of a range. Chunks that
/// may not be joined ("opaque": tool calls, reasoning, other choices, unknown keys) stand whole between the pieces of
/// text. A copy shares the
/// bytes until one of the two grows. Not thread safe: its owner holds a lock.
public struct AnswerLog: Sendable {
    /// A chunk that travels as it came: its place in `bytes`, and the decoded bytes of choice 0 in it.
    struct Opaque: BitwiseCopyable, Sendable {
        var start: Int
        var count: Int
        var decodedText: Int
    }

    /// What stands in for metadata that the gateway did not send.
    public struct Defaults: Sendable {
        public var id: String
        public var model: String
        /// Seconds since 1970.
        public var created: Int

        public init(id: String, model: String, created: Int) {
            self.id = id
            self.model = model
            self.created = created
        }
    }

    /// How far the present attempt has been sent.
    private struct Cursor: BitwiseCopyable, Sendable {
        var position = 0
        var opaqueIndex = 0
        var decodedText = 0
        var sentRole = false
        var sentFinish = false
    }

    var bytes: [UInt8] = []
    var opaque: [Opaque] = []
    var hasEscapes = false
    /// How each chunk of text begins: `{"id":"…","object":"chat.completion.chunk","created":…,"model":"…",` and so on up to
    /// the members of its delta. Empty before the first chunk.
    private var opening: [UInt8] = []
    /// Where `.chunk` stands in it, and where the metadata end.
    private var kindStart = 0
    private var metadataEnd = 0
    var role: [UInt8] = []
    var finishReason: [UInt8] = []
    private var finishPosition = 0
    /// The raw `usage` object, empty until one came.
    public private(set) var usage: [UInt8] = []
    /// Chunks that brought output: an estimate of the tokens where the gateway sends no usage.
    public private(set) var outputChunks = 0
    /// The first half of a surrogate pair whose second half has not come yet; 0 for none.
    private var heldSurrogate: UInt16 = 0
    private var cursor = Cursor()
    private let defaults: Defaults

    public init(defaults: Defaults) {
        self.defaults = defaults
    }

    /// Raw bytes kept.
    public var count: Int { bytes.count }

    /// Raw bytes that were not taken yet in this attempt.
    public var pendingCount: Int { bytes.count &- cursor.position }

    /// Something waits to be taken.
    public var hasPending: Bool {
        cursor.position < bytes.count || (!finishReason.isEmpty && !cursor.sentFinish)
    }

    /// Something was taken in this attempt.
    public var hasSent: Bool { cursor.position > 0 || cursor.sentFinish }

    /// Decoded bytes of choice 0's text that were taken in this attempt.
    public var decodedTextSent: Int { cursor.decodedText }

    /// Starts the next attempt: everything is to be taken again.
    public mutating func rewind() { cursor = Cursor() }

    // MARK: Filling

    /// Adds a chunk that the scanner found in `message`.
    public mutating func append(_ chunk: ScannedChunk, in message: UnsafeRawBufferPointer) {
        if opening.isEmpty { setMetadata(chunk, in: message) }
        if !chunk.usage.isEmpty { usage = Array(message[chunk.usage]) }
        if chunk.carriesOutput { outputChunks &+= 1 }
        guard chunk.hasChoices else { return }
        guard chunk.isPlain, finishReason.isEmpty || chunk.content.isEmpty else {
            return appendOpaque(chunk, in: message)
        }
        if role.isEmpty, !chunk.role.isEmpty { role = Array(message[chunk.role]) }
        if !chunk.content.isEmpty {
            let text = message[chunk.content]
            if chunk.contentHasEscapes || heldSurrogate != 0 {
                hasEscapes = true
                appendEscaped(text)
            } else {
                bytes.append(contentsOf: text)
            }
        }
        if !chunk.finishReason.isEmpty, finishReason.isEmpty {
            releaseSurrogate()
            finishReason = Array(message[chunk.finishReason])
            finishPosition = bytes.count
        }
    }

    /// No more will come: half of a surrogate pair that still waits for the other is replaced.
    public mutating func end() { releaseSurrogate() }

    private mutating func appendOpaque(_ chunk: ScannedChunk, in message: UnsafeRawBufferPointer) {
        releaseSurrogate()
        let decoded = chunk.content.isEmpty ? 0 : JSONText.decodedCount(message[chunk.content])
        opaque.append(Opaque(start: bytes.count, count: message.count, decodedText: decoded))
        bytes.append(contentsOf: message)
    }

    /// Adds text in which surrogates may be lone, or cut from their other half by the end of a chunk.
    private mutating func appendEscaped(_ text: UnsafeRawBufferPointer) {
        var index = 0
        while index < text.count {
            if text[index] == 0x5C, index &+ 1 < text.count {
                guard text[index &+ 1] == 0x75, let unit = HexDigit.unit(text, at: index &+ 2) else {
                    releaseSurrogate()
                    bytes.append(contentsOf: text[index..<(index &+ 2)])
                    index &+= 2
                    continue
                }
                append(unit: unit, raw: UnsafeRawBufferPointer(rebasing: text[index..<(index &+ 6)]))
                index &+= 6
            } else {
                releaseSurrogate()
                var next = index &+ 1
                while next < text.count, text[next] != 0x5C { next &+= 1 }
                bytes.append(contentsOf: text[index..<next])
                index = next
            }
        }
    }

    private mutating func append(unit: UInt16, raw: UnsafeRawBufferPointer) {
        switch unit & 0xFC00 {
        case 0xD800:
            releaseSurrogate()
            heldSurrogate = unit
        case 0xDC00 where heldSurrogate != 0:
            appendUnit(heldSurrogate)
            heldSurrogate = 0
            bytes.append(contentsOf: raw)
        case 0xDC00:
            appendUnit(0xFFFD)
        default:
            releaseSurrogate()
            bytes.append(contentsOf: raw)
        }
    }

    private mutating func releaseSurrogate() {
        guard heldSurrogate != 0 else { return }
        heldSurrogate = 0
        appendUnit(0xFFFD)
    }

    private mutating func appendUnit(_ unit: UInt16) {
        bytes.append(contentsOf: "\\u".utf8)
        for shift in [12, 8, 4, 0] as [UInt16] {
            let digit = UInt8(truncatingIfNeeded: unit &>> shift & 15)
            bytes.append(digit < 10 ? 0x30 &+ digit : 0x37 &+ digit)
        }
    }

    private mutating func setMetadata(_ chunk: ScannedChunk, in message: UnsafeRawBufferPointer) {
        opening.append("{\"id\":\"")
        if chunk.id.isEmpty {
            opening.append(contentsOf: defaults.id.utf8)
        } else {
            opening.append(contentsOf: message[chunk.id])
        }
        opening.append("\",\"object\":\"chat.completion")
        kindStart = opening.count
        opening.append(Self.kind)
        opening.append("\",\"created\":")
        if chunk.created.isEmpty {
            opening.append(contentsOf: String(defaults.created).utf8)
        } else {
            opening.append(contentsOf: message[chunk.created])
        }
        opening.append(",\"model\":")
        if chunk.model.isEmpty {
            JSONText.appendQuoted(defaults.model.utf8, to: &opening)
        } else {
            opening.append(0x22)
            opening.append(contentsOf: message[chunk.model])
            opening.append(0x22)
        }
        appendMetadata("system_fingerprint", message[chunk.systemFingerprint])
        appendMetadata("service_tier", message[chunk.serviceTier])
        metadataEnd = opening.count
        opening.append(",\"choices\":[{\"index\":0,\"delta\":{")
    }

    private mutating func appendMetadata(_ key: StaticString, _ value: UnsafeRawBufferPointer) {
        guard !value.isEmpty else { return }
        opening.append(",\"")
        opening.append(key)
        opening.append("\":\"")
        opening.append(contentsOf: value)
        opening.append(0x22)
    }

    private static let kind: StaticString = ".chunk"

    /// A chunk was added.
    var hasBegun: Bool { metadataEnd > 0 }

    /// The metadata as they stand in a completion: `{"id":"…","object":"chat.completion","created":…,"model":"…"`. Empty
    /// before the first chunk.
    var metadata: [UInt8] {
        var metadata = Array(opening[..<metadataEnd])
        if !metadata.isEmpty { metadata.removeSubrange(kindStart..<(kindStart &+ Self.kind.utf8CodeUnitCount)) }
        return metadata
    }

    // MARK: Taking

    /// Writes the next message of this attempt to the end of `output`: an opaque chunk as it came, or one chunk that
    /// joins all text up to the next opaque one. `false` where nothing waits.
    ///
    /// `decodedTextSent` before the call is the message's `x-offset`.
    public mutating func takeChunk(into output: inout [UInt8]) -> Bool {
        let next = cursor.opaqueIndex < opaque.count ? opaque[cursor.opaqueIndex] : nil
        if let next, next.start == cursor.position,
            finishReason.isEmpty || cursor.sentFinish
                || finishPosition > cursor.position
        {
            output.append(contentsOf: bytes[next.start..<(next.start &+ next.count)])
            cursor.position &+= next.count
            cursor.opaqueIndex &+= 1
            cursor.decodedText &+= next.decodedText
            return true
        }
        let end = next?.start ?? bytes.count
        let finishes = !finishReason.isEmpty && !cursor.sentFinish && finishPosition == end
        guard cursor.position < end || finishes else { return false }
        takeText(to: end, finishes: finishes, into: &output)
        return true
    }

    private mutating func takeText(to end: Int, finishes: Bool, into output: inout [UInt8]) {
        output.append(contentsOf: opening)
        if !cursor.sentRole, !role.isEmpty {
            cursor.sentRole = true
            output.append("\"role\":\"")
            output.append(contentsOf: role)
            output.append(cursor.position < end ? "\"," : "\"")
        }
        if cursor.position < end {
            output.append("\"content\":\"")
            bytes.withUnsafeBytes { bytes in
                let text = UnsafeRawBufferPointer(rebasing: bytes[cursor.position..<end])
                output.append(contentsOf: text)
                cursor.decodedText &+= hasEscapes ? JSONText.decodedCount(text) : text.count
            }
            output.append(0x22)
            cursor.position = end
        }
        output.append("},\"finish_reason\":")
        if finishes {
            cursor.sentFinish = true
            output.append(0x22)
            output.append(contentsOf: finishReason)
            output.append("\"}]}")
        } else {
            output.append("null}]}")
        }
    }
}
