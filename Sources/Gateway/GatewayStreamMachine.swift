import NIOCore

/// One answer, from the wish for a connection to its end: decides what every event means.
///
/// Pure: no I/O, no clock; the time comes with each event. `GatewayStream` carries the actions out.
///
/// A finish reason is a claim. One in a chunk without output is sure; one beside text is not, since some gateways put one
/// into every chunk: it stands only as long as its choice brings no more output, and what says that no more will come is
/// `[DONE]`, the end of the body, a close, or silence. An error that follows is an error.
struct GatewayStreamMachine: ~Copyable {
    enum Phase: Equatable {
        case connecting
        case upgrading
        /// The request is on its way or out; nothing of the answer has come.
        case requested
        case streaming
        /// Every choice that was asked for claims to be finished: waiting for usage, `[DONE]`, a close, or silence.
        case finishing
        case ended
    }

    /// What becomes of the connection after the stream.
    enum Farewell: Equatable {
        /// A clean end. `sawDone`: no `[DONE]` can follow any more.
        case reuse(sawDone: Bool)
        /// The close; over a WebSocket a close frame with this code goes before it.
        case close(UInt16)
        /// No ceremony.
        case abort
    }

    enum Action: Equatable {
        case none
        /// Hand the chunk to the handler.
        case deliver
        /// Hand the chunk to the handler; it was the last.
        case deliverLast(Farewell)
        /// A message of an earlier answer: count it.
        case dropLate
        /// The reused connection was dead: take a fresh one, the handler need not know.
        case restart
        indirect case end(GatewayStreamEnd, Farewell)
    }

    struct Patience: Equatable {
        var connect: TimeAmount
        var firstChunk: TimeAmount
        var idle: TimeAmount
        /// Over a WebSocket: silence after the finish.
        var endGrace: TimeAmount
        /// Over HTTP: from the finish to the end of the body.
        var bodyEnd = TimeAmount.seconds(10)
    }

    /// What is known of the gateway and the request beforehand.
    struct Knowledge: Equatable {
        /// The answer is the body of a response, whose end says that it is over.
        var isBody = false
        /// Usage was asked for.
        var awaitsUsage = true
        /// The gateway has once gone on after a finish reason.
        var withdrawsFinish = false
    }

    /// What a chunk means for the stream.
    struct Chunk: Equatable {
        var verdict: AnswerIdentity.Verdict
        /// Bit i: choice i has a finish reason here (bit 63: any choice from 63).
        var finishedChoices: UInt64 = 0
        /// Bit i: choice i brings output here.
        var outputChoices: UInt64 = 0
        /// The finish reason says that the choice was broken off: that word.
        var interruption: String?
        var hasUsage = false
        var hasChoices = true
    }

    /// A finish reason beside text waits for so many times `endGrace`.
    static let doubt = 4

    /// A gateway that sends so many frames of earlier answers is not late, it is confused.
    static let maximumLateFrames = 256

    private(set) var phase = Phase.connecting
    /// When `timeout(now:)` is due; `nil` while nothing is awaited, or while reading is paused.
    private(set) var deadline: NIODeadline?
    private let patience: Patience
    private let knowledge: Knowledge
    private let choiceCount: Int
    /// The bits of `claimed` that make all choices that were asked for.
    private let allChoices: UInt64
    /// Choices that brought output, and those whose finish reason stands.
    private var seen: UInt64 = 0
    private var claimed: UInt64 = 0
    /// The last finish reason came beside output.
    private var isDoubtful = false
    /// The last finish reason says that the answer was broken off.
    private var interruption: String?
    /// A finish reason was followed by more output of its choice.
    private(set) var hasWithdrawn = false
    private var finishCount = 0
    private var lateFrames = 0
    private var isPaused = false
    private var isReused = false
    /// A reused connection was dead: the next one is a new one.
    private(set) var wasRestarted = false
    private var hasReceived = false
    private var isFlushed = false
    private var hadUsageWithChoices = false

    init(choiceCount: Int, patience: Patience, knowledge: Knowledge = Knowledge()) {
        let count = max(choiceCount, 1)
        self.choiceCount = count
        self.patience = patience
        self.knowledge = knowledge
        allChoices = count >= 64 ? .max : (1 &<< UInt64(count)) &- 1
    }

    /// Nothing but the end is awaited any more, as far as can be told: the place can be given to another.
    var isAsGoodAsOver: Bool { phase == .finishing && isSure }

    var stage: GatewayFailure.Stage {
        switch phase {
        case .connecting: .connect
        case .upgrading: .upgrade
        case .requested: isFlushed ? .firstChunk : .request
        case .streaming, .finishing, .ended: .streaming
        }
    }

    // MARK: Connection

    /// A fresh connection is being made, or waited for.
    mutating func connect(now: NIODeadline) {
        phase = .connecting
        isReused = false
        isFlushed = false
        deadline = now + patience.connect
    }

    /// TCP, and TLS where asked for, stand. The deadline stays: it is for all of them together.
    mutating func connected() {
        if phase == .connecting { phase = .upgrading }
    }

    /// The request was handed to the socket.
    mutating func requestWritten(onReusedConnection reused: Bool, now: NIODeadline) {
        guard phase != .ended else { return }
        phase = .requested
        isReused = reused
        isFlushed = false
        wait(patience.firstChunk, from: now)
    }

    /// Its last byte went out: the wait for the first chunk begins.
    mutating func requestFlushed(now: NIODeadline) {
        guard phase == .requested else { return }
        isFlushed = true
        wait(patience.firstChunk, from: now)
    }

    /// Nothing of an answer has come: the request may go out again without anybody noticing.
    var mayAskAgain: Bool {
        switch phase {
        case .connecting, .upgrading, .requested: true
        case .streaming, .finishing, .ended: false
        }
    }

    /// It goes out again, on another connection: what was received was a refusal.
    mutating func asksAgain() {
        hasReceived = false
        phase = .connecting
    }

    mutating func connectFailed(_ failure: GatewayFailure) -> Action { fail(failure, .abort) }

    /// The head of an answer came: whatever happens from here on, the gateway has seen the request.
    mutating func answerBegan() { hasReceived = true }

    /// The answer is not a stream. - Parameter isWhole: all of it was read.
    mutating func refused(_ failure: GatewayFailure, isWhole: Bool) -> Action {
        hasReceived = true
        return fail(failure, isWhole ? .reuse(sawDone: true) : .abort)
    }

    // MARK: Messages

    mutating func chunk(_ chunk: Chunk, now: NIODeadline) -> Action {
        guard phase != .ended else { return .none }
        hasReceived = true
        switch chunk.verdict {
        case .late: return dropLate()
        case .mixed: return fail(.mixedStreams(stage), .close(1008), isSaid: true)
        case .own: break
        }
        note(chunk)
        guard isWhole else {
            hadUsageWithChoices = hadUsageWithChoices || chunk.hasUsage
            // Keep-alives in the form of chunks are no beginning, and no sign of life.
            guard chunk.outputChoices != 0 || chunk.finishedChoices != 0 else { return .deliver }
            phase = .streaming
            wait(patience.idle, from: now)
            return .deliver
        }
        let wasWhole = phase == .finishing
        phase = .finishing
        // Usage in every chunk is a running count, and a chunk with the total follows.
        let isTotal = !chunk.hasChoices || (!wasWhole && !hadUsageWithChoices && !isDoubtful)
        hadUsageWithChoices = hadUsageWithChoices || (chunk.hasUsage && chunk.hasChoices)
        if chunk.hasUsage, isTotal, !isUntrusted { return last() }
        if isSure, !knowledge.isBody, !knowledge.awaitsUsage { return last() }
        wait(restTime, from: now)
        return .deliver
    }

    /// A message that is nothing of an answer came.
    mutating func heardNothing() { hasReceived = true }

    private mutating func note(_ chunk: Chunk) {
        let withdrawn = claimed & chunk.outputChoices
        if withdrawn != 0 {
            hasWithdrawn = true
            claimed &= ~withdrawn
            interruption = nil
        }
        seen |= chunk.outputChoices
        claimed |= chunk.finishedChoices
        finishCount &+= chunk.finishedChoices.nonzeroBitCount
        guard chunk.finishedChoices != 0 else { return }
        isDoubtful = chunk.finishedChoices & chunk.outputChoices != 0
        interruption = chunk.interruption
    }

    /// `[DONE]`. - Parameter isLate: it is the one that the answer before owed.
    mutating func done(isLate: Bool) -> Action {
        guard phase != .ended else { return .none }
        hasReceived = true
        if isLate { return dropLate() }
        guard isClaimed else { return fail(.incomplete(stage), .close(1000)) }
        return complete(.reuse(sawDone: true))
    }

    /// An error message, already read.
    mutating func errorMessage(_ failure: GatewayFailure) -> Action {
        hasReceived = true
        return fail(failure, .close(1000), isSaid: true)
    }

    /// A message that is no chunk. - Parameter sentence: what it is instead.
    mutating func unreadable(_ sentence: String) -> Action {
        hasReceived = true
        return fail(.invalidChunk(stage, sentence), .close(1003))
    }

    mutating func fault(_ fault: some GatewayFault) -> Action {
        hasReceived = true
        return fail(.fault(stage, fault), .close(fault.closeCode))
    }

    // MARK: Ends

    /// The gateway's close frame. `nil`: without a code.
    mutating func closed(code: UInt16?) -> Action {
        lost(closeCode: code.map(Int.init) ?? 1005, isGoodbye: code.map { $0 == 1000 || $0 == 1001 } ?? true)
    }

    /// End of file or a reset, without a close frame.
    mutating func disconnected() -> Action { lost(closeCode: 1006) }

    /// The body of an answer over HTTP came to its end, whole by HTTP's own measure.
    mutating func bodyEnded() -> Action {
        isClaimed ? complete(.reuse(sawDone: true)) : lost(closeCode: 1006)
    }

    mutating func timeout(now: NIODeadline) -> Action {
        guard let deadline, deadline <= now else { return .none }
        switch phase {
        case .ended: return .none
        case .finishing: return complete(.reuse(sawDone: false))
        case .connecting, .upgrading: return fail(.timedOut(stage), .abort)
        case .requested: return fail(.timedOut(.firstChunk), .close(1001))
        // Fewer choices than were asked for, and all of them finished: there will be no others.
        case .streaming where isClaimed: return complete(.close(1000))
        case .streaming: return fail(.timedOut(stage), .close(1001))
        }
    }

    mutating func cancel() -> Action {
        guard phase != .ended else { return .none }
        end()
        return .end(.cancelled, .abort)
    }

    mutating func shutDown() -> Action { fail(.shutDown(stage), .close(1001)) }

    // MARK: Back-pressure

    /// Reading stops: silence is now our own doing.
    mutating func pause() {
        isPaused = true
        if awaitsMessages { deadline = nil }
    }

    mutating func resume(now: NIODeadline) {
        guard isPaused else { return }
        isPaused = false
        switch phase {
        case .requested: wait(patience.firstChunk, from: now)
        case .streaming: wait(patience.idle, from: now)
        case .finishing: wait(restTime, from: now)
        case .connecting, .upgrading, .ended: break
        }
    }

    // MARK: -

    private var awaitsMessages: Bool {
        switch phase {
        case .requested, .streaming, .finishing: true
        case .connecting, .upgrading, .ended: false
        }
    }

    /// Every choice that was asked for has a finish reason that stands. Bit 63 stands for many choices, which only their
    /// number tells apart.
    private var isWhole: Bool { claimed == allChoices && (choiceCount <= 64 || finishCount >= choiceCount) }

    /// Every choice that has said something has one: some servers know no `n`, and answer once.
    private var isClaimed: Bool { claimed != 0 && seen & ~claimed == 0 }

    /// The finish reasons of this gateway say nothing for sure.
    private var isUntrusted: Bool { hasWithdrawn || knowledge.withdrawsFinish }

    private var isSure: Bool { !isDoubtful && !isUntrusted }

    /// How long the end is waited for, once all claim to be finished.
    private var restTime: TimeAmount {
        if isUntrusted { return patience.idle }
        if knowledge.isBody { return patience.bodyEnd }
        return isDoubtful ? patience.endGrace * Self.doubt : patience.endGrace
    }

    private mutating func wait(_ time: TimeAmount, from now: NIODeadline) {
        deadline = isPaused ? nil : now + time
    }

    private mutating func end() {
        phase = .ended
        deadline = nil
    }

    /// It was the last chunk.
    private mutating func last() -> Action {
        guard interruption == nil else { return complete(.reuse(sawDone: false)) }
        end()
        return .deliverLast(.reuse(sawDone: false))
    }

    private mutating func complete(_ farewell: Farewell) -> Action {
        let failure = interruption.map { GatewayFailure.interrupted(stage, $0) }
        end()
        return .end(failure.map { .failed($0) } ?? .complete, farewell)
    }

    /// - Parameter isSaid: the gateway itself says so; else it fails at something, after an answer that may be whole.
    private mutating func fail(_ failure: GatewayFailure, _ farewell: Farewell, isSaid: Bool = false) -> Action {
        guard phase != .ended else { return .none }
        if phase == .finishing, isSure, !isSaid { return complete(farewell) }
        end()
        return .end(.failed(failure), farewell)
    }

    /// - Parameter isGoodbye: the gateway has closed as one does after an answer.
    private mutating func lost(closeCode: Int, isGoodbye: Bool = false) -> Action {
        guard phase != .ended else { return .none }
        if phase == .requested, isReused, !wasRestarted, !hasReceived {
            wasRestarted = true
            return .restart
        }
        if isGoodbye, isClaimed { return complete(.close(1000)) }
        return fail(.closed(stage, code: closeCode), .close(1000))
    }

    private mutating func dropLate() -> Action {
        lateFrames &+= 1
        guard lateFrames <= Self.maximumLateFrames else {
            return fail(.mixedStreams(stage), .close(1008), isSaid: true)
        }
        return .dropLate
    }
}
