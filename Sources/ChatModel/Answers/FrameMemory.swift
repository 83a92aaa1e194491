#if canImport(Glibc)
    internal import Glibc
#endif

/// Scans the messages of one stream. Nearly all of them differ from the one before in nothing but the text of their
/// delta; such a message is recognised by comparing what stands around the text, and only the text is read.
///
/// What comes out is what `FrameScanner` says of the same message. Bound to the stream's event loop.
public struct FrameMemory: Sendable {
    /// Longer surroundings are not kept, so that thousands of streams stay small.
    static let mostKept = 2048

    /// What stood before and behind the text of the last message that was scanned; empty where it may not be compared.
    private var surroundings: [UInt8] = []
    private var before = 0
    private var chunk = ScannedChunk()

    public init() {}

    /// - Parameter bytes: UTF-8 that was validated as such.
    @inline(__always)
    public mutating func scan(_ bytes: UnsafeRawBufferPointer) -> ScanResult {
        if let chunk = recognise(bytes) { return .chunk(chunk) }
        let result = FrameScanner.scan(bytes)
        remember(result, bytes)
        return result
    }

    @inline(__always)
    func recognise(_ bytes: UnsafeRawBufferPointer) -> ScannedChunk? {
        // Without text a message means something else.
        guard !surroundings.isEmpty, bytes.count > surroundings.count, let address = bytes.baseAddress else {
            return nil
        }
        let behind = surroundings.count &- before
        let end = bytes.count &- behind
        let isSame = surroundings.withUnsafeBytes { known in
            guard let known = known.baseAddress else { return false }
            return memcmp(known + before, address + end, behind) == 0 && memcmp(known, address, before) == 0
        }
        guard isSame else { return nil }
        var cursor = JSONCursor(bytes)
        cursor.offset = before &- 1
        guard let text = try? cursor.string(), text.range.end == end else { return nil }
        var chunk = chunk
        let shift = UInt32(truncatingIfNeeded: end &- chunk.content.end)
        chunk.move(shift, behind: chunk.content.start)
        chunk.content = text.range
        chunk.contentHasEscapes = text.hasEscapes
        return chunk
    }

    private mutating func remember(_ result: ScanResult, _ bytes: UnsafeRawBufferPointer) {
        surroundings.removeAll(keepingCapacity: true)
        guard case .chunk(let chunk) = result, chunk.isPlain, !chunk.content.isEmpty, chunk.finishReason.isEmpty,
            chunk.usage.isEmpty, bytes.count &- Int(chunk.content.count) <= Self.mostKept
        else { return }
        self.chunk = chunk
        before = Int(chunk.content.start)
        surroundings.append(contentsOf: bytes[..<before])
        surroundings.append(contentsOf: bytes[chunk.content.end...])
    }
}

extension ScannedChunk {
    /// Moves what stands behind a place: the text there has become longer, or (by wrapping around) shorter.
    fileprivate mutating func move(_ shift: UInt32, behind place: UInt32) {
        func moved(_ range: ByteRange) -> ByteRange {
            range.start > place ? ByteRange(start: range.start &+ shift, count: range.count) : range
        }
        id = moved(id)
        model = moved(model)
        created = moved(created)
        systemFingerprint = moved(systemFingerprint)
        serviceTier = moved(serviceTier)
        role = moved(role)
    }
}
