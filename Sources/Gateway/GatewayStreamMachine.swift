import NIOCore

/// One answer, from the wish for a connection to its end: decides what every event means.
///
/// Pure: no I/O, no clock; the time comes with each event. `GatewayStream` carries the actions out. Once every choice
/// has finished the answer is whole, and nothing that follows, short of another answer's chunks, unmakes it.
struct GatewayStreamMachine: ~Copyable {
    enum Phase: Equatable {
        case connecting
        case upgrading
        /// The request is on its way or out; nothing of the answer has come.
        case requested
        case streaming
        /// Every choice has finished: waiting for usage, `[DONE]`, a close, or silence.
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
        var endGrace: TimeAmount
    }

    /// What a chunk means for the stream.
    struct Chunk: Equatable {
        var verdict: AnswerIdentity.Verdict
        /// Bit i: choice i finished (bit 63: any choice from 63).
        var finishedChoices: UInt64 = 0
        var hasUsage = false
        var hasChoices = true
    }

    /// A gateway that sends so many frames of earlier answers is not late, it is confused.
    static let maximumLateFrames = 256

    private(set) var phase = Phase.connecting
    /// When `timeout(now:)` is due; `nil` while nothing is awaited, or while reading is paused.
    private(set) var deadline: NIODeadline?
    private let patience: Patience
    private let choiceCount: Int
    /// The bits of `finishedChoices` that make the answer whole.
    private let allChoices: UInt64
    private var finished: UInt64 = 0
    private var finishCount = 0
    private var lateFrames = 0
    private var isPaused = false
    private var isReused = false
    /// A reused connection was dead: the next one is a new one.
    private(set) var wasRestarted = false
    private var hasReceived = false
    private var isFlushed = false
    private var hadUsageWithChoices = false

    init(choiceCount: Int, patience: Patience) {
        let count = max(choiceCount, 1)
        self.choiceCount = count
        self.patience = patience
        allChoices = count >= 64 ? .max : (1 &<< UInt64(count)) &- 1
    }

    var stage: GatewayFailure.Stage {
        switch phase {
        case .connecting: .connect
        case .upgrading: .upgrade
        case .requested: isFlushed ? .firstChunk : .request
        case .streaming, .finishing, .ended: .streaming
        }
    }

    /// Nothing of this answer, nor of any other, was received on its connection yet.
    var isUntouched: Bool { !hasReceived }

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
        case .mixed: return fail(.mixedStreams(stage), .close(1008))
        case .own: break
        }
        let wasWhole = phase == .finishing
        finished |= chunk.finishedChoices
        finishCount &+= chunk.finishedChoices.nonzeroBitCount
        guard isWhole else {
            hadUsageWithChoices = hadUsageWithChoices || chunk.hasUsage
            phase = .streaming
            wait(patience.idle, from: now)
            return .deliver
        }
        // Usage in every chunk is a running count, and a chunk with the total follows.
        let isTotal = !chunk.hasChoices || (!wasWhole && !hadUsageWithChoices)
        if chunk.hasUsage, isTotal {
            end()
            return .deliverLast(.reuse(sawDone: false))
        }
        phase = .finishing
        wait(patience.endGrace, from: now)
        return .deliver
    }

    /// `[DONE]`. - Parameter isLate: it is the one that the answer before owed.
    mutating func done(isLate: Bool) -> Action {
        guard phase != .ended else { return .none }
        hasReceived = true
        if isLate { return dropLate() }
        guard finished == allChoices else { return fail(.incomplete(stage), .close(1000)) }
        return complete(.reuse(sawDone: true))
    }

    /// An error message, already read.
    mutating func errorMessage(_ failure: GatewayFailure) -> Action {
        hasReceived = true
        return fail(failure, .close(1000))
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
    mutating func closed(code: UInt16?) -> Action { lost(closeCode: code.map(Int.init) ?? 1005) }

    /// End of file or a reset, without a close frame.
    mutating func disconnected() -> Action { lost(closeCode: 1006) }

    /// The body of an answer over HTTP came to its end, whole by HTTP's own measure.
    mutating func bodyEnded() -> Action {
        phase == .finishing ? complete(.reuse(sawDone: true)) : lost(closeCode: 1006)
    }

    mutating func timeout(now: NIODeadline) -> Action {
        guard let deadline, deadline <= now else { return .none }
        switch phase {
        case .ended: return .none
        case .finishing: return complete(.reuse(sawDone: false))
        case .connecting, .upgrading: return fail(.timedOut(stage), .abort)
        case .requested: return fail(.timedOut(.firstChunk), .close(1001))
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
        case .finishing: wait(patience.endGrace, from: now)
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

    /// Bit 63 stands for many choices, which only their number tells apart.
    private var isWhole: Bool { finished == allChoices && (choiceCount <= 64 || finishCount >= choiceCount) }

    private mutating func wait(_ time: TimeAmount, from now: NIODeadline) {
        deadline = isPaused ? nil : now + time
    }

    private mutating func end() {
        phase = .ended
        deadline = nil
    }

    private mutating func complete(_ farewell: Farewell) -> Action {
        end()
        return .end(.complete, farewell)
    }

    private mutating func fail(_ failure: GatewayFailure, _ farewell: Farewell) -> Action {
        guard phase != .ended else { return .none }
        if phase == .finishing, failure.code != "gateway_mixed_streams" { return complete(farewell) }
        end()
        return .end(.failed(failure), farewell)
    }

    private mutating func lost(closeCode: Int) -> Action {
        guard phase != .ended else { return .none }
        if phase == .requested, isReused, !wasRestarted, !hasReceived {
            wasRestarted = true
            return .restart
        }
        return fail(.closed(stage, code: closeCode), .close(1000))
    }

    private mutating func dropLate() -> Action {
        lateFrames &+= 1
        guard lateFrames <= Self.maximumLateFrames else { return fail(.mixedStreams(stage), .close(1008)) }
        return .dropLate
    }
}
