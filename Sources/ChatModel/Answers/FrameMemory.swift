#if canImport(Glibc)
    internal import Glibc
#endif

/// A piece of text in a message: its raw contents.
public struct ScannedText: BitwiseCopyable, Sendable, Equatable {
    public var range: ByteRange
    public var hasEscapes: Bool

    public init(range: ByteRange = .empty, hasEscapes: Bool = false) {
        self.range = range
        self.hasEscapes = hasEscapes
    }
}

/// Scans the messages of one stream. Nearly all of them differ from the one before in nothing but the text of their
/// delta; such a message is recognised by comparing what stands around the text, and only the text is read.
///
/// Bound to the stream's event loop.
public struct FrameMemory: Sendable {
    /// What a message is.
    public enum Found: Sendable, Equatable {
        /// The chunk that `chunk` tells of.
        case chunk
        /// The same chunk as the one before (`chunk`) but for its one piece of text, which is this.
        case more(ScannedText)
        case done
        case error
        case other
        case invalid(JSONError)
    }

    /// Longer surroundings are not kept, so that thousands of streams stay small.
    static let mostKept = 8192

    /// What was found in the last message that was scanned.
    public private(set) var chunk = ScannedChunk()
    /// What stood before and behind the text of that message; empty where it may not be compared.
    private var surroundings: [UInt8] = []
    private var before = 0
    private let isSingleChoice: Bool

    /// - Parameter choiceCount: choices that were asked for.
    public init(choiceCount: Int = 1) { isSingleChoice = choiceCount <= 1 }

    /// - Parameter bytes: UTF-8 that was validated as such.
    @inline(__always)
    public mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Found {
        if let text = recognise(bytes) { return .more(text) }
        let kind = FrameScanner.scan(bytes, isSingleChoice: isSingleChoice, into: &chunk)
        surroundings.removeAll(keepingCapacity: true)
        switch kind {
        case .chunk:
            remember(bytes)
            return .chunk
        case .done: return .done
        case .error: return .error
        case .other: return .other
        case .invalid(let error): return .invalid(error)
        }
    }

    @inline(__always)
    func recognise(_ bytes: UnsafeRawBufferPointer) -> ScannedText? {
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
        return ScannedText(range: text.range, hasEscapes: text.hasEscapes)
    }

    private mutating func remember(_ bytes: UnsafeRawBufferPointer) {
        guard chunk.isJoinable, let text = onlyText, bytes.count &- Int(text.count) <= Self.mostKept else { return }
        before = Int(text.start)
        surroundings.append(contentsOf: bytes[..<before])
        surroundings.append(contentsOf: bytes[text.end...])
    }

    /// Where the text stands of a chunk that has one piece of it, and nothing that would mean another thing the second time.
    private var onlyText: ByteRange? {
        var text: ByteRange?
        for part in chunk.parts {
            switch part.kind {
            case .content, .member, .thinking, .arguments:
                guard text == nil, !part.isWhole else { return nil }
                text = part.value
            // The next one like it may begin another call.
            case .callID, .callName, .argumentsObject: return nil
            default: break
            }
        }
        return text
    }
}
