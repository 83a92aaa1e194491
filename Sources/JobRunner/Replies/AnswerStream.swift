internal import AMQP
internal import ChatModel
internal import Synchronization

/// The way of one answer from its event loop to its publisher shard: what the gateway sent, what the reply queue had,
/// and whether it stands on the shard's ready list. Event loop and publisher thread meet here, under a lock that is
/// held for the copy of a few bytes.
final class AnswerStream: Sendable {
    /// What the publisher thread is to send next.
    enum Taken {
        /// A chunk stands in the output; `more` says whether another one waits.
        case chunk(PublishTemplate, more: Bool)
        /// The reset that opens an attempt whose predecessor may have sent text; more follows.
        case reset(PublishTemplate)
        /// Every chunk was taken: once those up to this sequence number are confirmed, `close` has the terminal.
        case ended(after: UInt64)
        case nothing
    }

    /// What becomes of an end whose chunks are confirmed.
    enum Closing {
        /// To be published, in this order.
        case now([DurableMessage], generation: UInt64)
        /// Its delivery is in doubt.
        case later
        /// It became void in the meantime.
        case never
    }

    /// Why an answer must be said again.
    enum Loss: Sendable {
        case connection
        /// The broker refused a chunk: the reply queue is full.
        case refused
    }

    /// What the event loop has to do after an append.
    struct Appended {
        /// Put the stream on the ready list.
        var enqueue: Bool
        /// Stop reading from the gateway: too much waits.
        var pause: Bool
        /// Decoded bytes of the answer's strings so far.
        var outputBytes: Int
        /// Raw bytes that are kept of it.
        var count: Int
        /// Chunks with output so far: about its tokens.
        var outputChunks = 0
    }

    /// The end of the answer, as its event loop has prepared it for one attempt.
    struct Terminal: Sendable {
        var attempt: AttemptNumber
        /// Of the delivery that it ends (`DeliveryTag.generation`).
        var generation: UInt64
        /// The terminal reply, whose sequence number is only known when it goes. `nil` without a reply queue.
        var reply: DurableMessage?
        /// What must be confirmed besides: webhook task, usage event, dead letter.
        var companions: [DurableMessage]
    }

    /// How the messages of the present attempt are addressed.
    private struct Wire {
        var template: PublishTemplate
        let run: String
        var nextSequence: Int64 = 0

        init?(_ address: ReplyAddress, _ attempt: AttemptNumber) {
            run = RunID.make()
            guard let template = address.template(.chunk, attempt: attempt, run: run) else { return nil }
            self.template = template
        }

        /// Gives the next sequence number to a message.
        mutating func stamp(_ message: PublishTemplate, offset: Int) {
            message.setInteger(ReplyAddress.Header.sequence, nextSequence)
            message.setInteger(ReplyAddress.Header.offset, Int64(offset))
            message.numberMessageID(nextSequence)
            nextSequence &+= 1
        }

        /// The message that was stamped last does not count: its number is the next one's.
        mutating func takeBackLast() { nextSequence &-= 1 }
    }

    private struct State: ~Copyable {
        var log: AnswerLog
        var attempt: AttemptNumber
        var wire: Wire?
        var owesReset: Bool
        /// Text of this delivery's attempts was handed to the broker.
        var hasPublished = false
        /// Stands on the ready list, or is being served.
        var isQueued = false
        var isPaused = false
        var terminal: Terminal?
        /// Nothing more is to be published: the job was abandoned, or its terminal is on its way.
        var isClosed = false
        /// The shard channel's sequence number of the last chunk.
        var lastChunk: UInt64 = 0
        /// Why no reply can be published; then none is.
        var unreachable: Undeliverable?
        /// The broker takes no message that holds the text: nothing but an end without it is published.
        var isMuted = false
        /// Times that a chunk was refused while only the end was missing.
        var refusals = 0
        /// The present attempt says nothing but its end, which has the whole text: the reply queue stays full, or no number
        /// is left for an attempt after this one.
        var saysEndOnly = false

        var saysText: Bool { !isMuted && !saysEndOnly }
    }

    /// Unique within the process; the token of its chunks.
    let identifier: UInt64
    let address: ReplyAddress?
    private let highWater: Int
    private let onResume: @Sendable () -> Void
    private let onAttemptChanged: @Sendable (AttemptNumber) -> Void
    private let onTakenBack: @Sendable () -> Void
    private let onTooLarge: @Sendable () -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - address: `nil` where the job has no reply queue; then only the terminal's companions are published.
    ///   - highWater: raw bytes that may wait before the gateway's socket stops being read.
    ///   - onResume: little waits again; called on the publisher thread.
    ///   - onAttemptChanged: the answer goes on under this attempt, and a terminal that was prepared is void; called on
    ///     the publisher thread.
    ///   - onTakenBack: its end, which was on its way, is void after all; called on the publisher thread.
    ///   - onTooLarge: the broker takes no message that holds its text; called on the publisher thread.
    init(
        identifier: UInt64, address: ReplyAddress?, attempt: AttemptNumber, owesReset: Bool,
        defaults: AnswerLog.Defaults, highWater: Int, onResume: @escaping @Sendable () -> Void,
        onAttemptChanged: @escaping @Sendable (AttemptNumber) -> Void,
        onTakenBack: @escaping @Sendable () -> Void, onTooLarge: @escaping @Sendable () -> Void = {}
    ) {
        self.identifier = identifier
        self.address = address
        self.highWater = highWater
        self.onResume = onResume
        self.onAttemptChanged = onAttemptChanged
        self.onTakenBack = onTakenBack
        self.onTooLarge = onTooLarge
        state = Mutex(
            State(
                log: AnswerLog(defaults: defaults), attempt: attempt, wire: Self.wire(address, attempt),
                owesReset: owesReset))
    }

    private static func wire(_ address: ReplyAddress?, _ attempt: AttemptNumber) -> Wire? {
        address.flatMap { Wire($0, attempt) }
    }

    // MARK: Event loop

    /// Adds a chunk of the gateway's. No allocation but the growth of the log.
    func append(_ chunk: ScannedChunk, in message: UnsafeRawBufferPointer) -> Appended {
        state.withLock { state in
            state.log.append(chunk, in: message)
            return appended(&state)
        }
    }

    /// Adds a chunk that is as the last one but for its text.
    func append(_ text: ScannedText, in message: UnsafeRawBufferPointer) -> Appended {
        state.withLock { state in
            state.log.append(text, in: message)
            return appended(&state)
        }
    }

    @inline(__always)
    private func appended(_ state: inout State) -> Appended {
        var appended = Appended(
            enqueue: false, pause: false, outputBytes: state.log.outputBytes, count: state.log.count,
            outputChunks: state.log.outputChunks)
        guard state.wire != nil, !state.isClosed, state.saysText else { return appended }
        appended.pause = !state.isPaused && state.log.pendingCount > highWater
        if appended.pause { state.isPaused = true }
        appended.enqueue = !state.isQueued && state.log.hasPending
        if appended.enqueue { state.isQueued = true }
        return appended
    }

    /// The gateway has said all: what was held back is let go. `true` where the stream must be put on the ready list.
    ///
    /// - Parameter isComplete: the answer is whole: readers are told why it ended.
    func end(isComplete: Bool) -> Bool {
        state.withLock { state in
            state.log.end(isComplete: isComplete)
            guard state.wire != nil, !state.isClosed, state.saysText, !state.isQueued, state.log.hasPending else {
                return false
            }
            state.isQueued = true
            return true
        }
    }

    /// The answer as it stands, to make a result of it, and the attempt and run that it belongs to.
    func snapshot() -> (log: AnswerLog, attempt: AttemptNumber, run: String) {
        state.withLock { ($0.log, $0.attempt, $0.wire?.run ?? "") }
    }

    /// Chunks with output so far.
    var outputChunks: Int { state.withLock { $0.log.outputChunks } }

    /// Raw bytes of the answer so far.
    var count: Int { state.withLock { $0.log.count } }

    /// A new try of the gateway: the answer starts over, with a reset where text has gone out.
    ///
    /// - Returns: the attempt, which is `attempt` or later: a lost publish connection may have used that one up.
    func restart(attempt: AttemptNumber, defaults: AnswerLog.Defaults) -> AttemptNumber {
        state.withLock { state in
            state.owesReset = state.owesReset || state.hasPublished
            state.log = AnswerLog(defaults: defaults)
            state.attempt = max(attempt, state.attempt.next())
            state.saysEndOnly = state.attempt.isLast
            if state.unreachable == nil { state.wire = Self.wire(address, state.attempt) }
            return state.attempt
        }
    }

    /// Hands over the end. `true` where the stream must be put on the ready list.
    func finish(_ terminal: Terminal) -> Bool {
        state.withLock { state in
            guard !state.isClosed, terminal.attempt == state.attempt else { return false }
            state.terminal = terminal
            guard !state.isQueued else { return false }
            state.isQueued = true
            return true
        }
    }

    /// Takes the end back, unless it is on its way: the job's delivery is lost. `true` where it was taken back.
    func recall() -> Bool {
        state.withLock { state in
            guard !state.isClosed, state.terminal != nil else { return false }
            state.terminal = nil
            return true
        }
    }

    /// Publishes nothing more; what was taken is on its way.
    func abandon() { state.withLock { $0.isClosed = true } }

    // MARK: Publisher thread

    /// What to send next. After `.nothing` and `.ended` the stream is off the ready list.
    func take(into output: inout [UInt8]) -> Taken {
        var resumes = false
        let taken = state.withLock { state in
            let taken = Self.take(&state, address, into: &output)
            if state.isPaused, state.log.pendingCount <= highWater / 2 {
                state.isPaused = false
                resumes = true
            }
            return taken
        }
        if resumes { onResume() }
        return taken
    }

    private static func take(_ state: inout State, _ address: ReplyAddress?, into output: inout [UInt8]) -> Taken {
        guard !state.isClosed else {
            state.isQueued = false
            return .nothing
        }
        if let address, state.wire != nil, state.saysText {
            let hasMore = state.log.hasPending || state.terminal != nil
            if state.owesReset, hasMore, let reset = reset(&state, address, into: &output) { return reset }
            let offset = state.log.decodedTextSent
            if state.log.takeChunk(into: &output) {
                state.hasPublished = true
                let more = state.log.hasPending || state.terminal != nil
                state.isQueued = more
                if let template = state.wire?.template {
                    state.wire?.stamp(template, offset: offset)
                    return .chunk(template, more: more)
                }
            }
        }
        state.isQueued = false
        return state.terminal == nil ? .nothing : .ended(after: state.lastChunk)
    }

    /// Gives out the messages that end the job, for good. A terminal goes only after its chunks are confirmed, so that a
    /// lost connection never leaves it behind without them, and it can be sent again under its own number.
    func close(while lease: DeliveryLease) -> Closing {
        var lost: (reply: DurableMessage, fault: Undeliverable)?
        let closing: Closing = state.withLock { state in
            guard !state.isClosed, let terminal = state.terminal else { return .never }
            // Over for good, it is recalled soon by its event loop.
            guard lease.isValid(for: terminal.generation) else { return .later }
            state.isClosed = true
            if let fault = state.unreachable, let reply = terminal.reply {
                lost = (reply, fault)
                return .now(terminal.companions, generation: terminal.generation)
            }
            if let reply = terminal.reply { state.wire?.stamp(reply.template, offset: state.log.decodedTextSent) }
            return .now(
                (terminal.reply.map { [$0] } ?? []) + terminal.companions, generation: terminal.generation)
        }
        if let lost { lost.reply.settled(.undeliverable(lost.fault)) }
        return closing
    }

    /// The broker takes no reply of this job: none is published any more, and the job goes on without.
    func giveUpReplies(_ fault: Undeliverable) {
        let resumes = state.withLock { state in
            state.unreachable = state.unreachable ?? fault
            state.wire = nil
            state.owesReset = false
            state.lastChunk = 0
            // Published alone, it stood on no list.
            state.isQueued = false
            defer { state.isPaused = false }
            return state.isPaused
        }
        if resumes { onResume() }
    }

    /// No reply of this job is published any more.
    var isUnreachable: Bool { state.withLock { $0.unreachable != nil } }

    /// The broker takes no message as large as its text has become: it ends without it.
    func mute() {
        let resumes = state.withLock { state in
            state.isMuted = true
            state.owesReset = false
            state.isQueued = false
            defer { state.isPaused = false }
            return state.isPaused
        }
        if resumes { onResume() }
        onTooLarge()
    }

    /// All messages of its end are settled, and some of them were too large for the broker: an end without text follows.
    ///
    /// - Parameter hasReply: the reply was published; else its number is the next one's.
    func reopen(hasReply: Bool) {
        state.withLock { state in
            guard state.isClosed, state.terminal != nil else { return }
            if !hasReply, state.terminal?.reply != nil { state.wire?.takeBackLast() }
            (state.isClosed, state.isMuted, state.terminal, state.lastChunk) = (false, true, nil, 0)
        }
    }

    /// None of the messages of its end was confirmed before the connection that carried them was lost, and its delivery is
    /// lost as well: the job may be somebody else's by now. The end is void until the job is this worker's again.
    func takeBack() {
        let wasTakenBack = state.withLock { state in
            guard state.isClosed, let terminal = state.terminal else { return false }
            state.isClosed = false
            state.terminal = nil
            // Its chunks are confirmed, and what is sent next stands on another channel.
            state.lastChunk = 0
            if terminal.reply != nil { state.wire?.takeBackLast() }
            return true
        }
        if wasTakenBack { onTakenBack() }
    }

    private static func reset(
        _ state: inout State, _ address: ReplyAddress, into output: inout [UInt8]
    ) -> Taken? {
        state.owesReset = false
        guard let template = address.template(.reset, attempt: state.attempt, run: state.wire?.run ?? "") else {
            return nil
        }
        output.append(contentsOf: "{\"reason\":\"a new attempt: discard the text of earlier ones\"}".utf8)
        state.wire?.stamp(template, offset: 0)
        state.hasPublished = true
        return .reset(template)
    }

    /// Notes where on the shard's channel the last chunk stands.
    func published(_ sequence: UInt64) { state.withLock { $0.lastChunk = sequence } }

    /// A chunk was lost, or may have been: all is said again under the next attempt. `true` where the stream must be
    /// put on the ready list.
    ///
    /// Where chunks are refused again and again after the gateway has said all, and in the last attempt that has a number,
    /// only the end is said again: it has the text, and leaves no gap in an attempt of its own.
    func rewind(because loss: Loss = .connection) -> Bool {
        let changed: (attempt: AttemptNumber?, enqueue: Bool, resumes: Bool) = state.withLock { state in
            guard !state.isClosed else { return (nil, false, false) }
            // One that says no replies, or its end only, has lost nothing.
            guard state.unreachable == nil, !state.saysEndOnly, state.log.hasSent || state.hasPublished, let address
            else {
                // Its end waits on, for nothing that the channel carried.
                state.lastChunk = 0
                let enqueues = state.terminal != nil && !state.isQueued
                if enqueues { state.isQueued = true }
                return (nil, enqueues, false)
            }
            if loss == .refused, state.terminal != nil { state.refusals += 1 }
            state.log.rewind()
            state.owesReset = true
            state.attempt = state.attempt.next()
            state.saysEndOnly = state.attempt.isLast || state.refusals > DurableMessage.mostRefusals
            state.wire = Self.wire(address, state.attempt)
            state.terminal = nil
            state.lastChunk = 0
            let enqueues = !state.isQueued && state.saysText && state.log.hasPending
            if enqueues { state.isQueued = true }
            // Nobody takes what waits any more.
            let resumes = state.isPaused && state.saysEndOnly
            if resumes { state.isPaused = false }
            return (state.attempt, enqueues, resumes)
        }
        if changed.resumes { onResume() }
        if let attempt = changed.attempt { onAttemptChanged(attempt) }
        return changed.enqueue
    }
}
