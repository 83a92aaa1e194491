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

/// Scans the messages of one stream. Nearly all of them differ from the one before in the text of their delta only, and many
/// of the others in the same few values beside it: a count, a time, an id. Such a message is recognised by comparing what
/// stands around these places ("holes"), and only they are read.
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

    /// A place where the next message like this one may have something else.
    private struct Hole: BitwiseCopyable, Sendable {
        enum What: BitwiseCopyable, Sendable {
            case text, value, padding, usage, id, created
        }

        var what: What
        /// In the frame that is kept.
        var range: ByteRange
        /// Place in the chunk's parts, of a text or a value.
        var part = -1
    }

    /// Longer messages are not kept, so that thousands of streams stay small.
    static let mostKept = 8192
    private static let mostHoles = 6

    /// What was found in the last message.
    public private(set) var chunk = ScannedChunk()
    /// A message that the next ones may be like, and what was found in it; empty where none may be compared.
    private var frame: [UInt8] = []
    private var base = ScannedChunk()
    private var holes: [Hole] = []
    /// Storage for the next ones.
    private var spare: [Hole] = []
    /// All holes but that of the text are padding.
    private var isTextOnly = true
    private let isSingleChoice: Bool

    /// - Parameter choiceCount: choices that were asked for.
    public init(choiceCount: Int = 1) { isSingleChoice = choiceCount <= 1 }

    /// - Parameter bytes: UTF-8 that was validated as such.
    @inline(__always)
    public mutating func scan(_ bytes: UnsafeRawBufferPointer) -> Found {
        if let found = recognise(bytes) { return found }
        switch FrameScanner.scan(bytes, isSingleChoice: isSingleChoice, into: &chunk) {
        case .chunk:
            remember(bytes)
            return .chunk
        case .done: return forget(.done)
        case .error: return forget(.error)
        case .other: return forget(.other)
        case .invalid(let error): return forget(.invalid(error))
        }
    }

    private mutating func forget(_ found: Found) -> Found {
        frame.removeAll(keepingCapacity: true)
        return found
    }

    // MARK: Recognising

    @inline(__always)
    mutating func recognise(_ bytes: UnsafeRawBufferPointer) -> Found? {
        guard !frame.isEmpty, let address = bytes.baseAddress else { return nil }
        guard holes.count == 1 else { return recogniseMany(bytes) }
        let hole = holes[0].range
        let before = Int(hole.start)
        let behind = frame.count &- hole.end
        // Without text a message means something else.
        guard bytes.count > before &+ behind else { return nil }
        let end = bytes.count &- behind
        let isSame = frame.withUnsafeBytes { known in
            guard let known = known.baseAddress else { return false }
            return memcmp(known + hole.end, address + end, behind) == 0 && memcmp(known, address, before) == 0
        }
        guard isSame else { return nil }
        var cursor = JSONCursor(bytes)
        cursor.offset = before &- 1
        guard let text = try? cursor.string(), text.range.end == end else { return nil }
        return .more(ScannedText(range: text.range, hasEscapes: text.hasEscapes))
    }

    /// Several holes: what stands between them is compared, one after the other.
    private mutating func recogniseMany(_ bytes: UnsafeRawBufferPointer) -> Found? {
        guard !holes.isEmpty else { return nil }
        var cursor = JSONCursor(bytes)
        var text = ScannedText()
        var known = 0
        for place in holes.indices {
            let hole = holes[place]
            guard isSame(known..<Int(hole.range.start), bytes, at: cursor.offset) else { return nil }
            cursor.offset &+= Int(hole.range.start) &- known
            known = hole.range.end
            guard let range = Self.read(hole.what, &cursor, &text) else { return nil }
            found[place] = range
        }
        guard bytes.count &- cursor.offset == frame.count &- known,
            isSame(known..<frame.count, bytes, at: cursor.offset)
        else { return nil }
        if isTextOnly { return .more(text) }
        move(text)
        return .chunk
    }

    /// Where the holes are in the message that is looked at.
    private var found: [ByteRange] = []

    @inline(__always)
    private func isSame(_ range: Range<Int>, _ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        guard bytes.count &- offset >= range.count, let address = bytes.baseAddress else { return false }
        return frame.withUnsafeBytes { known in
            guard let known = known.baseAddress else { return false }
            return memcmp(known + range.lowerBound, address + offset, range.count) == 0
        }
    }

    /// What stands in a hole now; `nil`: nothing of the kind.
    @inline(__always)
    private static func read(
        _ what: Hole.What, _ cursor: inout JSONCursor, _ text: inout ScannedText
    ) -> ByteRange? {
        let start = cursor.offset
        switch what {
        case .text, .id:
            cursor.offset &-= 1
            guard let string = try? cursor.string(), !string.range.isEmpty else { return nil }
            // The quote behind it stands in the frame.
            cursor.offset &-= 1
            if case .text = what { text = ScannedText(range: string.range, hasEscapes: string.hasEscapes) }
            return string.range
        case .created: return (try? cursor.number()).flatMap { Int($0.start) == start ? $0 : nil }
        case .value, .padding, .usage:
            guard start < cursor.end, let value = try? cursor.skipValue(depth: FrameScanner.maximumDepth),
                Int(value.start) == start, let first = cursor.bytes(value).first
            else { return nil }
            // A null is no member; and usage is an object.
            if case .usage = what { return first == 0x7B ? value : nil }
            return first == 0x6E ? nil : value
        }
    }

    /// Makes `chunk` tell of the message whose holes were found: what stands behind a hole has moved.
    private mutating func move(_ text: ScannedText) {
        chunk.copy(base)
        for place in holes.indices {
            let shift = found[place].count &- holes[place].range.count
            let behind = holes[place].range.start
            // Only what stands behind moves, as far as all holes before it together have moved it.
            chunk.move(by: shift, behind: behind, in: base)
        }
        for place in holes.indices {
            switch holes[place].what {
            case .text:
                chunk.parts[holes[place].part].value = found[place]
                chunk.parts[holes[place].part].hasEscapes = text.hasEscapes
            case .value, .padding: chunk.parts[holes[place].part].value = found[place]
            case .usage: chunk.usage = found[place]
            case .id: chunk.id = found[place]
            case .created: chunk.created = found[place]
            }
        }
    }

    // MARK: Remembering

    private mutating func remember(_ bytes: UnsafeRawBufferPointer) {
        guard chunk.isJoinable, let text = onlyText, !hasInnerUsage,
            bytes.count <= Self.mostKept &+ Int(chunk.parts[text].value.count)
        else {
            frame.removeAll(keepingCapacity: true)
            return
        }
        let isLikeBefore = !frame.isEmpty && isAlike
        var next: [Hole] = []
        swap(&next, &spare)
        next.removeAll(keepingCapacity: true)
        next.append(Hole(what: .text, range: chunk.parts[text].value, part: text))
        if isLikeBefore { addHoles(to: &next, bytes) }
        next.sort { $0.range.start < $1.range.start }
        swap(&holes, &next)
        swap(&spare, &next)
        isTextOnly = !holes.contains { hole in
            switch hole.what {
            case .text, .padding: false
            case .value, .usage, .id, .created: true
            }
        }
        found.removeAll(keepingCapacity: true)
        for hole in holes { found.append(hole.range) }
        base.copy(chunk)
        frame.removeAll(keepingCapacity: true)
        frame.append(contentsOf: bytes)
    }

    /// The same parts under the same names as in the message before.
    private var isAlike: Bool {
        chunk.parts.count == base.parts.count && chunk.usage.isEmpty == base.usage.isEmpty
            && chunk.parts.indices.allSatisfy { place in
                chunk.parts[place].kind == base.parts[place].kind
                    && chunk.parts[place].key.count == base.parts[place].key.count
            }
    }

    /// What differs from the message before, or did so earlier.
    private func addHoles(to next: inout [Hole], _ bytes: UnsafeRawBufferPointer) {
        func differs(_ range: ByteRange, _ old: ByteRange) -> Bool {
            !frame.withUnsafeBytes { $0[old].elementsEqual(bytes[range]) }
        }
        func was(_ what: Hole.What, _ part: Int = -1) -> Bool {
            holes.contains { hole in
                guard hole.part == part else { return false }
                return switch (hole.what, what) {
                case (.value, .value), (.padding, .padding), (.usage, .usage), (.id, .id), (.created, .created): true
                default: false
                }
            }
        }
        func add(_ what: Hole.What, _ range: ByteRange, _ old: ByteRange, _ part: Int = -1) {
            guard !range.isEmpty, next.count < Self.mostHoles, differs(range, old) || was(what, part) else { return }
            next.append(Hole(what: what, range: range, part: part))
        }
        for place in chunk.parts.indices {
            let (part, old) = (chunk.parts[place], base.parts[place])
            switch part.kind {
            case .chunkMember, .choiceMember, .deltaMember: add(.value, part.value, old.value, place)
            case .padding: add(.padding, part.value, old.value, place)
            default: break
            }
        }
        add(.usage, chunk.usage, base.usage)
        if !chunk.id.isEmpty, bytes[Int(chunk.id.start) &- 1] == 0x22 { add(.id, chunk.id, base.id) }
        if !chunk.created.isEmpty, bytes[Int(chunk.created.start) &- 1] != 0x22 {
            add(.created, chunk.created, base.created)
        }
    }

    /// Usage within another member moves with it, and by itself.
    private var hasInnerUsage: Bool {
        !chunk.usage.isEmpty
            && chunk.parts.contains {
                $0.kind == .chunkMember && $0.value.start < chunk.usage.start && $0.value.end > chunk.usage.end
            }
    }

    /// The part that is the text of a chunk that has one piece of it, and nothing that would mean another thing the second
    /// time.
    private var onlyText: Int? {
        var text: Int?
        for place in chunk.parts.indices {
            let part = chunk.parts[place]
            if part.isText {
                guard text == nil, !part.isWhole else { return nil }
                text = place
                continue
            }
            switch part.kind {
            // The next one like it may begin another call.
            case .callID, .callName, .argumentsObject, .choiceIndex: return nil
            default: break
            }
        }
        return text
    }
}

extension ScannedChunk {
    /// Takes over what another chunk holds, without sharing its storage: both change often.
    fileprivate mutating func copy(_ other: ScannedChunk) {
        (id, model, created, systemFingerprint, serviceTier, usage) = (
            other.id, other.model, other.created, other.systemFingerprint, other.serviceTier, other.usage
        )
        parts.removeAll(keepingCapacity: true)
        parts.append(contentsOf: other.parts)
        (hasChoices, isJoinable, carriesOutput) = (other.hasChoices, other.isJoinable, other.carriesOutput)
        (finishedChoices, outputChoices) = (other.finishedChoices, other.outputChoices)
    }

    /// Moves what stands behind a place of the message `base` by so many bytes (which may wrap around).
    fileprivate mutating func move(by shift: UInt32, behind place: UInt32, in base: ScannedChunk) {
        guard shift != 0 else { return }
        func move(_ range: inout ByteRange, _ old: ByteRange) {
            if old.start > place { range.start &+= shift }
        }
        move(&id, base.id)
        move(&model, base.model)
        move(&created, base.created)
        move(&systemFingerprint, base.systemFingerprint)
        move(&serviceTier, base.serviceTier)
        move(&usage, base.usage)
        for index in parts.indices {
            move(&parts[index].key, base.parts[index].key)
            move(&parts[index].value, base.parts[index].value)
        }
    }
}
