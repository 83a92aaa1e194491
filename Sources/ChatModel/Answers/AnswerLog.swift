/// One answer: all that the gateway sent of it, and how much of that the reply queue has had.
///
/// Text is kept as the raw (escaped) bytes in which it came, all strings of the answer in one buffer, in the order of
/// their arrival: a table of runs says which piece belongs to which string (`AnswerLane`). So what waits, what a reset must
/// say again and the final text are the same bytes, and a joined chunk is a copy of ranges. What stands beside the deltas
/// is kept with its latest value (`LatestMembers`). Chunks that cannot be joined (lists and objects in a delta, log
/// probabilities) stand whole between the runs ("opaque").
///
/// A copy shares the bytes until one of the two grows. Not thread safe: its owner holds a lock.
public struct AnswerLog: Sendable {
    /// Where in `bytes` a piece begins, and what it is of; it ends where the next begins.
    struct Run: BitwiseCopyable, Sendable {
        var start: Int
        /// Place in `lanes`; -1: an opaque chunk.
        var lane: Int
    }

    /// A chunk that travels as it came: its place in `runs`, and the decoded bytes of choice 0's text in it.
    struct Opaque: BitwiseCopyable, Sendable {
        var run: Int
        var decodedText: Int
    }

    /// A choice that was seen.
    struct Choice: Sendable {
        let index: Int32
        var role: [UInt8] = []
        /// The latest finish reason that no output of this choice has followed.
        var finish: [UInt8] = []
        /// What stands beside its delta, and numbers and the like in it.
        var members = LatestMembers()
        var deltaMembers = LatestMembers()
        var sentRole = false
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
    struct Cursor: BitwiseCopyable, Sendable {
        var position = 0
        /// The run that `position` stands in.
        var run = 0
        var opaqueIndex = 0
        var decodedText = 0
        var sentFinish = false
        /// Number of the last chunk whose members have been told.
        var chunk = 0
    }

    var bytes: [UInt8] = []
    var runs: [Run] = []
    /// The first one is the text of choice 0, always.
    var lanes: [AnswerLane] = [AnswerLane(.content, of: 0)]
    var opaque: [Opaque] = []
    /// Whole messages that hold more than the strings that were told of them.
    var untold: [[UInt8]] = []
    var calls = ToolCallTable()
    var choices: [Choice] = []
    var metadata: AnswerMetadata
    /// What stands in the chunks beside their choices.
    var members = LatestMembers()
    /// The raw `usage` object, empty until one came.
    public private(set) var usage: [UInt8] = []
    /// The chunk that brought it last with a choice beside it.
    var usageChunk = 0
    /// Chunks that brought output: an estimate of the tokens where the gateway sends no usage.
    public private(set) var outputChunks = 0
    /// Decoded bytes of text, reasoning, arguments and all other strings so far.
    public private(set) var outputBytes = 0
    /// Chunks so far whose surroundings were new, and the last of them that had members to tell.
    private(set) var chunkNumber = 0
    var lastTold = 0
    /// The gateway has said all, and the answer is whole: readers are told why it ended.
    var isComplete = false
    var cursor = Cursor()

    public init(defaults: Defaults) { metadata = AnswerMetadata(defaults: defaults) }

    /// Raw bytes kept.
    public var count: Int { bytes.count }

    /// Raw bytes that were not taken yet in this attempt.
    public var pendingCount: Int { bytes.count &- cursor.position }

    /// Something waits to be taken.
    public var hasPending: Bool { cursor.position < bytes.count || owesFinish }

    /// Something was taken in this attempt.
    public var hasSent: Bool { cursor.position > 0 || cursor.sentFinish }

    /// Decoded bytes of choice 0's text that were taken in this attempt.
    public var decodedTextSent: Int { cursor.decodedText }

    /// A chunk was added.
    var hasBegun: Bool { chunkNumber > 0 }

    /// The model that the gateway named; `nil` before it did.
    public var modelName: String? { metadata.modelName }

    var owesFinish: Bool { isComplete && !cursor.sentFinish && choices.contains { !$0.finish.isEmpty } }

    /// Starts the next attempt: everything is to be taken again.
    public mutating func rewind() {
        cursor = Cursor()
        calls.rewind()
        for place in choices.indices { choices[place].sentRole = false }
    }

    // MARK: Filling

    /// Adds a chunk that the scanner found in `message`.
    public mutating func append(_ chunk: ScannedChunk, in message: UnsafeRawBufferPointer) {
        chunkNumber &+= 1
        metadata.learn(from: chunk, in: message)
        if !chunk.usage.isEmpty {
            usage.removeAll(keepingCapacity: true)
            usage.append(contentsOf: message[chunk.usage])
            if chunk.hasChoices { (usageChunk, lastTold) = (chunkNumber, chunkNumber) }
        }
        if chunk.carriesOutput {
            outputChunks &+= 1
            withdrawFinishes(of: chunk.outputChoices)
        }
        if chunk.isJoinable { return join(chunk, in: message) }
        guard chunk.parts.contains(where: \.isWhole) else { return appendOpaque(chunk, in: message) }
        // Nobody reads a `message` as a chunk: the strings in it are told, and the result has all.
        join(chunk, in: message)
        untold.append(Array(message))
    }

    /// Adds a chunk that is as the last one but for its text.
    @inline(__always)
    public mutating func append(_ text: ScannedText, in message: UnsafeRawBufferPointer) {
        outputChunks &+= 1
        // What stood beside the text stands there again.
        if lastTold == chunkNumber, cursor.chunk == chunkNumber { cursor.chunk = chunkNumber &- 1 }
        guard let lane = runs.last?.lane, lane >= 0 else { return }
        add(message[text.range], hasEscapes: text.hasEscapes, to: lane)
    }

    /// No more will come: half of a surrogate pair that still waits for the other is replaced.
    ///
    /// - Parameter isComplete: the answer is whole, and its finish reasons count.
    public mutating func end(isComplete: Bool = true) {
        releaseSurrogates()
        self.isComplete = isComplete
    }

    private mutating func join(_ chunk: ScannedChunk, in message: UnsafeRawBufferPointer) {
        var call = ToolCallTable.Fragment(choice: 0, wireIndex: -1)
        var isInCall = false
        for place in chunk.parts.indices {
            let part = chunk.parts[place]
            switch part.kind {
            case .content, .member, .thinking:
                let lane = lane(of: part, in: message)
                if part.isWhole { addRest(of: part, in: message, to: lane) } else { add(part, in: message, to: lane) }
            case .call:
                call = .init(choice: part.choice, wireIndex: part.number)
                isInCall = true
            case .callID: call.id = message[part.value]
            case .callType: call.type = message[part.value]
            case .callName: call.name = message[part.value]
            case .arguments, .argumentsObject: break
            default: note(part, in: message, chunk: chunkNumber)
            }
            if isInCall, place &+ 1 == chunk.parts.count || !chunk.parts[place &+ 1].isOfCall {
                isInCall = false
                addCall(call, chunk.parts, endingAt: place, in: message)
            }
        }
    }

    /// - Parameter place: of the last part of the fragment.
    private mutating func addCall(
        _ fragment: ToolCallTable.Fragment, _ parts: [ScannedChunk.Part], endingAt place: Int,
        in message: UnsafeRawBufferPointer
    ) {
        let (call, isNews) = calls.resolve(fragment)
        if isNews {
            // One byte that stands for it in its place.
            begin(run: laneOfCall(.call, call, choice: fragment.choice))
            bytes.append(0x20)
        }
        var index = place
        while index >= 0, parts[index].kind != .call {
            let part = parts[index]
            switch part.kind {
            case .arguments:
                if part.isWhole, calls[call].hasArguments { return }
                let lane = laneOfCall(.arguments, call, choice: fragment.choice)
                calls[call].hasArguments = true
                add(part, in: message, to: lane)
            case .argumentsObject:
                guard !calls[call].hasArguments else { break }
                let lane = laneOfCall(.arguments, call, choice: fragment.choice)
                calls[call].hasArguments = true
                addQuoted(message[part.value], to: lane)
            default: break
            }
            index &-= 1
        }
    }

    @inline(__always)
    private mutating func add(_ part: ScannedChunk.Part, in message: UnsafeRawBufferPointer, to lane: Int) {
        if !hasChoice(part.choice) { _ = choice(part.choice) }
        add(message[part.value], hasEscapes: part.hasEscapes, to: lane)
    }

    @inline(__always)
    private mutating func add(_ text: UnsafeRawBufferPointer, hasEscapes: Bool, to lane: Int) {
        outputBytes &+= hasEscapes ? JSONText.decodedCount(text) : text.count
        if runs.last?.lane != lane { begin(run: lane) }
        if lanes[lane].kind == .arguments { calls[lanes[lane].call].nesting.read(text) }
        lanes[lane].append(text, hasEscapes: hasEscapes, to: &bytes)
    }

    /// JSON that is to be the contents of a string.
    private mutating func addQuoted(_ value: UnsafeRawBufferPointer, to lane: Int) {
        var text: [UInt8] = []
        JSONText.appendQuoted(value, to: &text)
        text.withUnsafeBytes {
            add(UnsafeRawBufferPointer(rebasing: $0.dropFirst().dropLast()), hasEscapes: true, to: lane)
        }
    }

    /// A text that is said to be whole: what is new in it, if it begins with what came; else all of it, as a next piece,
    /// unless it stands beside a delta, which has the next piece.
    private mutating func addRest(of part: ScannedChunk.Part, in message: UnsafeRawBufferPointer, to lane: Int) {
        let known = decodedText(of: lane)
        guard !known.isEmpty else { return add(part, in: message, to: lane) }
        var whole: [UInt8] = []
        JSONText.decode(message[part.value]) { whole.append(contentsOf: $0) }
        if known.starts(with: whole) { return }
        guard whole.starts(with: known) else {
            if !part.isBesideDelta { add(part, in: message, to: lane) }
            return
        }
        var rest: [UInt8] = []
        JSONText.appendQuoted(whole[known.count...], to: &rest)
        rest.withUnsafeBytes {
            add(UnsafeRawBufferPointer(rebasing: $0.dropFirst().dropLast()), hasEscapes: true, to: lane)
        }
    }

    private mutating func begin(run lane: Int) { runs.append(Run(start: bytes.count, lane: lane)) }

    /// Roles, finish reasons and what stands beside the deltas.
    ///
    /// - Parameter number: of the chunk; 0: its members travel with it, and with no joined chunk.
    private mutating func note(_ part: ScannedChunk.Part, in message: UnsafeRawBufferPointer, chunk number: Int) {
        switch part.kind {
        case .role:
            let place = choice(part.choice)
            if choices[place].role.isEmpty { choices[place].role = Array(message[part.value]) }
        case .finish:
            let place = choice(part.choice)
            choices[place].finish.removeAll(keepingCapacity: true)
            choices[place].finish.append(contentsOf: message[part.value])
        case .chunkMember:
            members.note(message[part.key], message[part.value], chunk: number)
            if number > 0 { lastTold = number }
        case .choiceMember:
            choices[choice(part.choice)].members.note(message[part.key], message[part.value], chunk: number)
            if number > 0 { lastTold = number }
        case .deltaMember:
            choices[choice(part.choice)].deltaMembers.note(message[part.key], message[part.value], chunk: number)
            if number > 0 { lastTold = number }
        default: break
        }
    }

    private mutating func withdrawFinishes(of mask: UInt64) {
        for place in choices.indices
        where !choices[place].finish.isEmpty && mask & ScannedChunk.bit(choices[place].index) != 0 {
            choices[place].finish.removeAll(keepingCapacity: true)
        }
    }

    // MARK: Places

    @inline(__always)
    private func hasChoice(_ index: Int32) -> Bool { choices.first?.index == index }

    private mutating func choice(_ index: Int32) -> Int {
        if let place = choices.firstIndex(where: { $0.index == index }) { return place }
        choices.append(Choice(index: index))
        return choices.count &- 1
    }

    private static let thinking = Array("reasoning_content".utf8)

    @inline(__always)
    private mutating func lane(of part: ScannedChunk.Part, in message: UnsafeRawBufferPointer) -> Int {
        if part.kind == .content, part.choice == 0 { return 0 }
        return otherLane(of: part, in: message)
    }

    private mutating func otherLane(of part: ScannedChunk.Part, in message: UnsafeRawBufferPointer) -> Int {
        let name = message[part.key]
        let found = lanes.firstIndex { lane in
            guard lane.choice == part.choice else { return false }
            return switch (lane.kind, part.kind) {
            case (.content, .content): true
            case (.member, .member): lane.key.elementsEqual(name)
            case (.member, .thinking): lane.key == Self.thinking
            default: false
            }
        }
        if let found { return found }
        switch part.kind {
        case .member: lanes.append(AnswerLane(.member, of: part.choice, key: Array(name)))
        case .thinking: lanes.append(AnswerLane(.member, of: part.choice, key: Self.thinking))
        default: lanes.append(AnswerLane(.content, of: part.choice))
        }
        _ = choice(part.choice)
        return lanes.count &- 1
    }

    private mutating func laneOfCall(_ kind: AnswerLane.Kind, _ call: Int, choice index: Int32) -> Int {
        if let place = lanes.lastIndex(where: { $0.call == call && $0.kind == kind }) { return place }
        lanes.append(AnswerLane(kind, of: index, call: call))
        _ = choice(index)
        return lanes.count &- 1
    }

    // MARK: Opaque chunks

    private mutating func appendOpaque(_ chunk: ScannedChunk, in message: UnsafeRawBufferPointer) {
        releaseSurrogates()
        var edits = MessageEdits()
        var decoded = 0
        var call = ToolCallTable.Fragment(choice: 0, wireIndex: -1)
        var begun: ScannedChunk.Part?
        for place in chunk.parts.indices {
            let part = chunk.parts[place]
            switch part.kind {
            case .content, .member, .thinking, .arguments:
                let count = JSONText.decodedCount(message[part.value])
                outputBytes &+= count
                if part.kind == .content, part.choice == 0 { decoded &+= count }
            case .call:
                call = .init(choice: part.choice, wireIndex: part.number)
                begun = part
            case .callID: call.id = message[part.value]
            case .callType: call.type = message[part.value]
            case .callName: call.name = message[part.value]
            case .finish:
                edits.replaceString(part.value, by: "null")
                note(part, in: message, chunk: 0)
            case .choiceIndex: edits.replace(part.value, by: String(part.choice))
            case .argumentsObject: break
            default: note(part, in: message, chunk: 0)
            }
            if let first = begun, place &+ 1 == chunk.parts.count || !chunk.parts[place &+ 1].isOfCall {
                begun = nil
                let number = calls.resolve(call).place
                (calls[number].sentID, calls[number].sentName) = (true, true)
                edits.setIndex(of: first, to: calls[number].index)
            }
            _ = choice(part.choice)
        }
        opaque.append(Opaque(run: runs.count, decodedText: decoded))
        begin(run: -1)
        edits.apply(to: message, into: &bytes)
    }

    private mutating func releaseSurrogates() {
        for lane in lanes.indices where lanes[lane].isHolding {
            if runs.last?.lane != lane { begin(run: lane) }
            lanes[lane].release(to: &bytes)
        }
    }
}

extension ScannedChunk.Part {
    /// It belongs to the fragment of a tool call that has begun.
    var isOfCall: Bool {
        switch kind {
        case .callID, .callType, .callName, .arguments, .argumentsObject: true
        default: false
        }
    }
}
