/// One element of `choices` while it is read.
struct ChoiceScan {
    private(set) var index: Int32 = 0
    private(set) var isError = false
    private(set) var hasContent = false
    /// Its parts begin here.
    private var firstPart = 0
    private var lastPart = 0
    private var digits = ByteRange.empty
    private var message = ByteRange.empty
    private var isFinished = false
    private var bringsOutput = false
    private var hasDelta = false
    private var hasIndex = false

    private static let maximumDepth = FrameScanner.maximumDepth

    @inline(__always)
    mutating func read(_ cursor: inout JSONCursor, into chunk: inout ScannedChunk) throws(JSONError) {
        firstPart = chunk.parts.count
        try cursor.expect(0x7B)
        if try !cursor.isEmptyContainer(closing: 0x7D) {
            repeat {
                let name = try cursor.key()
                if try cursor.consumeNull() { continue }
                try member(name, &cursor, into: &chunk)
            } while try cursor.nextElement(closing: 0x7D)
        }
        if !message.isEmpty, !bringsOutput {
            var inner = cursor
            inner.offset = Int(message.start)
            try delta(&inner, isWhole: true, into: &chunk)
        }
        lastPart = chunk.parts.count
    }

    /// Its number is clear now.
    @inline(__always)
    func close(as number: Int32, _ chunk: inout ScannedChunk) {
        let choice = min(number, FrameScanner.maximumChoice)
        if choice != index, !digits.isEmpty {
            chunk.parts.append(.init(kind: .choiceIndex, choice: choice, value: digits))
        }
        if choice != 0 {
            for place in firstPart..<lastPart { chunk.parts[place].choice = choice }
        }
        if isFinished { chunk.finishedChoices |= ScannedChunk.bit(choice) }
        if bringsOutput {
            chunk.outputChoices |= ScannedChunk.bit(choice)
            chunk.carriesOutput = true
        }
    }

    @inline(__always)
    private mutating func member(
        _ name: JSONCursor.RawString, _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        let key = name.range
        switch key.count {
        case 5 where cursor.equals(key, "delta"):
            guard !hasDelta else { throw JSONError(.duplicateKey, at: cursor.offset, key: "delta") }
            hasDelta = true
            guard try cursor.peek() == 0x7B else {
                try cursor.skipValue(depth: Self.maximumDepth)
                return
            }
            try delta(&cursor, isWhole: false, into: &chunk)
        case 5 where cursor.equals(key, "index"):
            guard !hasIndex else { throw JSONError(.duplicateKey, at: cursor.offset, key: "index") }
            hasIndex = true
            guard let found = try FrameScanner.index(&cursor) else { return }
            (index, digits) = (found.value, found.digits)
        case 13 where cursor.equals(key, "finish_reason"):
            guard try cursor.peek() == 0x22 else {
                try cursor.skipValue(depth: Self.maximumDepth)
                return
            }
            let reason = try cursor.string()
            // "" in every chunk is what some servers call null.
            guard !reason.range.isEmpty else { return }
            isFinished = true
            add(.finish, .empty, reason, &chunk)
        case 7 where cursor.equals(key, "message"):
            let isObject = try cursor.peek() == 0x7B
            let value = try cursor.skipValue(depth: Self.maximumDepth)
            if isObject { message = value }
        case 5 where cursor.equals(key, "usage"):
            let usage = try FrameScanner.usage(&cursor)
            if !usage.isEmpty { chunk.usage = usage }
        case 5 where cursor.equals(key, "error"):
            if try !FrameScanner.isNothing(cursor.bytes(cursor.skipValue(depth: Self.maximumDepth))) { isError = true }
        case 8 where cursor.equals(key, "logprobs"):
            // Lists, which are longer with each chunk.
            if try !FrameScanner.isNothing(cursor.bytes(cursor.skipValue(depth: Self.maximumDepth))) {
                chunk.isJoinable = false
            }
        default:
            try FrameScanner.refuseDisguise(name, of: ["delta", "index"], &cursor)
            let value = try cursor.skipValue(depth: Self.maximumDepth)
            guard !name.hasEscapes else { return }
            chunk.parts.append(.init(kind: .choiceMember, key: key, value: value))
        }
    }

    // MARK: The delta

    /// - Parameter isWhole: it is a `message`, with all that was said.
    @inline(__always)
    private mutating func delta(
        _ cursor: inout JSONCursor, isWhole: Bool, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        try cursor.expect(0x7B)
        if try cursor.isEmptyContainer(closing: 0x7D) { return }
        let start = chunk.parts.count
        repeat {
            let name = try cursor.key()
            if try cursor.consumeNull() { continue }
            try deltaMember(name, &cursor, into: &chunk)
        } while try cursor.nextElement(closing: 0x7D)
        guard isWhole else { return }
        for place in start..<chunk.parts.count {
            chunk.parts[place].isWhole = true
            chunk.parts[place].isBesideDelta = hasDelta
        }
    }

    @inline(__always)
    private mutating func deltaMember(
        _ name: JSONCursor.RawString, _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        let key = name.range
        switch key.count {
        case 7 where cursor.equals(key, "content"):
            switch try cursor.peek() {
            case 0x22: try text(.content, .empty, &cursor, into: &chunk)
            case 0x5B: try contentParts(&cursor, into: &chunk)
            default: try cursor.skipValue(depth: Self.maximumDepth)
            }
        case 4 where cursor.equals(key, "role"):
            guard try cursor.peek() == 0x22 else {
                try cursor.skipValue(depth: Self.maximumDepth)
                return
            }
            let role = try cursor.string()
            if !role.range.isEmpty { add(.role, .empty, role, &chunk) }
        case 10 where cursor.equals(key, "tool_calls"): try toolCalls(&cursor, into: &chunk)
        default:
            try FrameScanner.refuseDisguise(name, of: ["content"], &cursor)
            try unknown(name, &cursor, into: &chunk)
        }
    }

    private mutating func unknown(
        _ name: JSONCursor.RawString, _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        let key = name.range
        switch try cursor.peek() {
        case 0x22:
            // Spelled in two ways, one name would stand twice in what is joined.
            guard !name.hasEscapes else {
                try cursor.skipValue(depth: Self.maximumDepth)
                chunk.isJoinable = false
                bringsOutput = true
                return
            }
            guard !Self.isLabel(key, cursor) else {
                let value = try cursor.skipValue(depth: Self.maximumDepth)
                chunk.parts.append(.init(kind: .deltaMember, key: key, value: value))
                return
            }
            try text(.member, key, &cursor, into: &chunk)
        case 0x7B, 0x5B:
            // Lists and objects that are empty in every delta (LiteLLM, vLLM) say nothing.
            if try FrameScanner.isNothing(cursor.bytes(cursor.skipValue(depth: Self.maximumDepth))) { return }
            chunk.isJoinable = false
            bringsOutput = true
        default:
            let value = try cursor.skipValue(depth: Self.maximumDepth)
            guard !name.hasEscapes else { return }
            chunk.parts.append(.init(kind: .deltaMember, key: key, value: value))
        }
    }

    /// Strings that name something, in each delta the same: they are no text that grows.
    private static func isLabel(_ key: ByteRange, _ cursor: JSONCursor) -> Bool {
        switch key.count {
        case 2: cursor.equals(key, "id")
        case 4: cursor.equals(key, "type") || cursor.equals(key, "name")
        case 5: cursor.equals(key, "phase")
        case 6: cursor.equals(key, "format") || cursor.equals(key, "status")
        case 7: cursor.equals(key, "channel")
        case 9: cursor.equals(key, "recipient")
        default: false
        }
    }

    @inline(__always)
    private mutating func text(
        _ kind: ScannedChunk.Part.Kind, _ key: ByteRange, _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        if kind == .content {
            guard !hasContent else { throw JSONError(.duplicateKey, at: cursor.offset, key: "content") }
        }
        let text = try cursor.string()
        guard !text.range.isEmpty else { return }
        if kind == .content { hasContent = true }
        add(kind, key, text, &chunk)
        bringsOutput = true
    }

    @inline(__always)
    private func add(
        _ kind: ScannedChunk.Part.Kind, _ key: ByteRange, _ text: JSONCursor.RawString, _ chunk: inout ScannedChunk
    ) {
        chunk.parts.append(.init(kind: kind, hasEscapes: text.hasEscapes, key: key, value: text.range))
    }
}

// MARK: - Content as a list of parts

extension ChoiceScan {
    /// Mistral's: `[{"type":"text","text":…},{"type":"thinking","thinking":[{"type":"text","text":…}]}]`.
    private mutating func contentParts(
        _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        guard !hasContent else { throw JSONError(.duplicateKey, at: cursor.offset, key: "content") }
        hasContent = true
        try forEachElement(&cursor) { scan, cursor throws(JSONError) in
            try scan.contentPart(&cursor, as: .content, into: &chunk)
        }
    }

    private mutating func contentPart(
        _ cursor: inout JSONCursor, as kind: ScannedChunk.Part.Kind, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        switch try cursor.peek() {
        case 0x22: return try piece(kind, &cursor, into: &chunk)
        case 0x7B: break
        default:
            try cursor.skipValue(depth: Self.maximumDepth)
            return
        }
        try cursor.expect(0x7B)
        if try cursor.isEmptyContainer(closing: 0x7D) { return }
        repeat {
            let key = try cursor.key().range
            let isThinking = cursor.equals(key, "thinking")
            switch try cursor.peek() {
            case 0x22 where cursor.equals(key, "text"): try piece(kind, &cursor, into: &chunk)
            case 0x22 where isThinking: try piece(.thinking, &cursor, into: &chunk)
            case 0x5B where isThinking:
                try forEachElement(&cursor) { scan, cursor throws(JSONError) in
                    try scan.contentPart(&cursor, as: .thinking, into: &chunk)
                }
            case 0x7B, 0x5B:
                // Citations, pictures: nobody knows how to join them.
                if try !FrameScanner.isNothing(cursor.bytes(cursor.skipValue(depth: Self.maximumDepth))) {
                    chunk.isJoinable = false
                    bringsOutput = true
                }
            default: try cursor.skipValue(depth: Self.maximumDepth)
            }
        } while try cursor.nextElement(closing: 0x7D)
    }

    private mutating func piece(
        _ kind: ScannedChunk.Part.Kind, _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        let text = try cursor.string()
        guard !text.range.isEmpty else { return }
        add(kind, .empty, text, &chunk)
        bringsOutput = true
    }

    private mutating func forEachElement(
        _ cursor: inout JSONCursor,
        _ body: (inout ChoiceScan, inout JSONCursor) throws(JSONError) -> Void
    ) throws(JSONError) {
        try cursor.expect(0x5B)
        if try cursor.isEmptyContainer(closing: 0x5D) { return }
        repeat { try body(&self, &cursor) } while try cursor.nextElement(closing: 0x5D)
    }
}

// MARK: - Tool calls

extension ChoiceScan {
    /// A list of fragments, or one that stands alone. vLLM sends an empty list in every delta.
    private mutating func toolCalls(
        _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        switch try cursor.peek() {
        case 0x5B:
            try forEachElement(&cursor) { scan, cursor throws(JSONError) in
                try scan.toolCall(&cursor, into: &chunk)
            }
        default: try toolCall(&cursor, into: &chunk)
        }
    }

    private mutating func toolCall(_ cursor: inout JSONCursor, into chunk: inout ScannedChunk) throws(JSONError) {
        guard try cursor.peek() == 0x7B else {
            try cursor.skipValue(depth: Self.maximumDepth)
            return
        }
        let place = chunk.parts.count
        let start = cursor.offset
        chunk.parts.append(.init(kind: .call, number: -1))
        bringsOutput = true
        try cursor.expect(0x7B)
        if try !cursor.isEmptyContainer(closing: 0x7D) {
            repeat {
                let key = try cursor.key().range
                if try cursor.consumeNull() { continue }
                switch key.count {
                case 5 where cursor.equals(key, "index"):
                    guard let found = try FrameScanner.index(&cursor) else { continue }
                    chunk.parts[place].number = found.value
                    chunk.parts[place].key = found.digits
                case 2 where cursor.equals(key, "id"): try label(.callID, &cursor, into: &chunk)
                case 4 where cursor.equals(key, "type"): try label(.callType, &cursor, into: &chunk)
                case 8 where cursor.equals(key, "function"): try function(&cursor, into: &chunk)
                default: try unknownOfCall(&cursor, into: &chunk)
                }
            } while try cursor.nextElement(closing: 0x7D)
        }
        chunk.parts[place].value = ByteRange(from: start, to: cursor.offset)
    }

    private mutating func function(_ cursor: inout JSONCursor, into chunk: inout ScannedChunk) throws(JSONError) {
        guard try cursor.peek() == 0x7B else { return try unknownOfCall(&cursor, into: &chunk) }
        try cursor.expect(0x7B)
        if try cursor.isEmptyContainer(closing: 0x7D) { return }
        repeat {
            let key = try cursor.key().range
            if try cursor.consumeNull() { continue }
            switch key.count {
            case 4 where cursor.equals(key, "name"): try label(.callName, &cursor, into: &chunk)
            case 9 where cursor.equals(key, "arguments"):
                guard try cursor.peek() != 0x22 else {
                    let text = try cursor.string()
                    if !text.range.isEmpty { add(.arguments, .empty, text, &chunk) }
                    continue
                }
                let value = try cursor.skipValue(depth: Self.maximumDepth)
                chunk.parts.append(.init(kind: .argumentsObject, value: value))
            default: try unknownOfCall(&cursor, into: &chunk)
            }
        } while try cursor.nextElement(closing: 0x7D)
    }

    private func label(
        _ kind: ScannedChunk.Part.Kind, _ cursor: inout JSONCursor, into chunk: inout ScannedChunk
    ) throws(JSONError) {
        let word = try FrameScanner.word(&cursor)
        if !word.isEmpty { chunk.parts.append(.init(kind: kind, value: word)) }
    }

    private func unknownOfCall(_ cursor: inout JSONCursor, into chunk: inout ScannedChunk) throws(JSONError) {
        if try !FrameScanner.isNothing(cursor.bytes(cursor.skipValue(depth: Self.maximumDepth))) {
            chunk.isJoinable = false
        }
    }
}
