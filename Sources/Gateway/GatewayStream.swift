import ChatModel
import FoundationEssentials
import NIOCore

/// One request and its answer. Made by `GatewayClient.open`.
///
/// Bound to the event loop it was opened on: every method may be called on that loop only.
public final class GatewayStream {
    private let owner: GatewayLoop
    private let model: String
    private let trace: TraceContext?
    /// Kept until the answer begins, for a reused connection that turns out to be dead.
    private var body: ByteBuffer
    private var handler: (any GatewayStreamHandler)?
    private var machine: GatewayStreamMachine
    private var memory: FrameMemory
    /// Of the last chunk: whose it was, and what it meant.
    private var lastChunk = GatewayStreamMachine.Chunk(verdict: .own)
    private var wasToldOver = false
    private var connection: (any GatewayConnection)?
    private var wasAnnounced = false
    /// A chunk has come: the key is taken, and the model there.
    private var isAnswered = false
    /// It waits for a turn to connect.
    private(set) var isQueued = false
    /// The key that it asks with, and those that were refused to it before.
    private(set) var key = 0
    private var refusedKeys: [Int] = []
    /// Refusals that may have meant the prompt.
    private var promptRefusals = 0
    /// After so many another key is asked with the same prompt.
    private static let mostPromptRefusals = 1
    /// What refusals have told of the request, to be remembered when it is answered, and how many there were.
    private var lesson: RequestShape?
    private var repairs = 0
    private var hasRenamedLimit = false
    /// Gateways tell one parameter at a time.
    private static let mostRepairs = 6
    // Holds the stream until `end`, which always comes. A weak reference would be let go of by itself, but each retain of
    // what was ever referred to weakly takes a slower way, and there are several for each token.
    private lazy var timer = LoopTimer(loop: owner.eventLoop) { self.timedOut() }
    /// Reading is paused.
    public private(set) var isPaused = false

    init(owner: GatewayLoop, request: GatewayRequest, handler: any GatewayStreamHandler) {
        self.owner = owner
        self.handler = handler
        model = request.model
        trace = request.trace
        body = Self.shaped(
            request.body, owner.shapes.shape(for: request.model).map(request.shape.merged) ?? request.shape)
        memory = FrameMemory(choiceCount: request.choiceCount)
        var patience = owner.patience
        if let time = request.firstChunkTimeout { patience.firstChunk = TimeAmount(bounded: time) }
        machine = GatewayStreamMachine(
            choiceCount: request.choiceCount, patience: patience,
            knowledge: .init(
                isBody: owner.configuration.transport == .sse, awaitsUsage: request.asksForUsage,
                withdrawsFinish: owner.habits.withdrawsFinish))
    }

    // MARK: For its user

    /// Stops reading the socket, so that TCP pushes back to the gateway. No chunk is handed out until `resumeReading`,
    /// and the timeouts that wait for messages rest. May be called from within the handler.
    public func pauseReading() {
        guard !isPaused, machine.phase != .ended else { return }
        isPaused = true
        machine.pause()
        timer.set(machine.deadline)
    }

    /// Goes on reading; chunks that were held back may be handed out before this returns.
    public func resumeReading() {
        guard isPaused else { return }
        isPaused = false
        machine.resume(now: .now())
        timer.set(machine.deadline)
        connection?.resume()
    }

    /// Ends the stream and closes its connection at once. The handler gets `.cancelled` before this returns, unless the
    /// stream had ended already.
    public func cancel() { perform(machine.cancel()) }

    // MARK: For the loop

    func start() {
        // It may have been cancelled before its first turn.
        guard machine.phase != .ended else { return }
        guard owner.acceptsStreams else { return shutDown() }
        key = owner.keys.next(for: model) ?? 0
        open(now: .now())
    }

    private func open(now: NIODeadline) {
        if let idle = owner.takeIdle(for: self, model: model, now: now) {
            connectionReady(idle, isReused: true)
        } else {
            connect(now: now)
        }
    }

    func shutDown() { perform(machine.shutDown()) }

    /// It may connect now; a connection that has become free meanwhile is as good as a new one.
    func turnCame(now: NIODeadline) {
        isQueued = false
        if !machine.wasRestarted, let idle = owner.takeIdle(for: self, model: model, now: now) {
            connectionReady(idle, isReused: true)
        } else {
            machine.connect(now: now)
            timer.set(machine.deadline)
            connect(owner.makeConnection(for: self, model: model, key: key, now: now))
        }
    }

    // MARK: For its connection

    func connectionEstablished() { machine.connected() }

    func connectionFailed(_ failure: GatewayFailure) {
        let failure = judged(failure)
        if !asksAgain(after: failure) { perform(machine.connectFailed(failure)) }
    }

    func connectionReady(_ connection: any GatewayConnection, isReused: Bool) {
        self.connection = connection
        machine.requestWritten(onReusedConnection: isReused, now: .now())
        timer.set(machine.deadline)
        connection.send(body, trace: trace) {
            guard self.connection === connection else { return }
            self.machine.requestFlushed(now: .now())
            self.timer.set(self.machine.deadline)
        }
        guard !wasAnnounced else { return }
        wasAnnounced = true
        handler?.streamStarted(onReusedConnection: isReused)
    }

    /// The answer is not a stream. - Parameter isWhole: all of it was read.
    func answerRefused(_ failure: GatewayFailure, isWhole: Bool) {
        let failure = judged(failure)
        if !asksAgain(after: failure) { perform(machine.refused(failure, isWhole: isWhole)) }
    }

    private func asksAgain(after failure: GatewayFailure) -> Bool {
        asksWithAnotherKey(after: failure) || asksInAnotherShape(after: failure)
    }

    /// Nor is a parameter that the model does not take, if it can be left out, or the limit be called by its other name.
    private func asksInAnotherShape(after failure: GatewayFailure) -> Bool {
        guard let refusal = failure.refusedParameters, machine.mayAskAgain, machine.stage != .connect,
            machine.stage != .upgrade, repairs < Self.mostRepairs
        else { return false }
        // Whoever refuses both names would be asked without end.
        guard refusal.shape.limitName == nil || !hasRenamedLimit else { return false }
        let repaired = Self.shaped(body, refusal.shape)
        guard repaired != body else { return false }
        body = repaired
        repairs += 1
        hasRenamedLimit = hasRenamedLimit || refusal.shape.limitName != nil
        if refusal.isForAnyValue { lesson = (lesson ?? RequestShape()).merged(with: refusal.shape) }
        sendAgain()
        return true
    }

    private static func shaped(_ body: ByteBuffer, _ shape: RequestShape) -> ByteBuffer {
        shape.isEmpty ? body : ByteBuffer(bytes: shape.applied(to: Array(body.readableBytesView)))
    }

    /// On another connection: what this one has said was a refusal.
    private func sendAgain() {
        machine.asksAgain()
        let connection = self.connection
        self.connection = nil
        connection?.release(.close(1000))
        open(now: .now())
    }

    /// A key that is refused is no failure of the job, as long as there is another.
    private func asksWithAnotherKey(after failure: GatewayFailure) -> Bool {
        guard failure.isKeyRefusal, machine.phase != .ended else { return false }
        owner.keys.refused(key, failure, model: model)
        refusedKeys.append(key)
        // If it is the prompt that is refused, the next key must not suffer for it, nor the one after it.
        if failure.mayConcernPrompt {
            promptRefusals += 1
            if promptRefusals > Self.mostPromptRefusals { return false }
        }
        guard machine.mayAskAgain, let other = owner.keys.next(for: model, besides: refusedKeys) else { return false }
        key = other
        sendAgain()
        return true
    }

    /// The head of an answer came that promises to be a stream.
    func answerBegan() { machine.answerBegan() }

    /// A whole message. Runs for every token: nothing here allocates or waits. Generic, so that it is compiled for each
    /// protocol on its own.
    func received(_ message: UnsafeRawBufferPointer, on connection: some GatewayConnection) {
        switch memory.scan(message) {
        case .more(let text): received(text, in: message)
        case .chunk: received(memory.chunk, in: message, on: connection)
        case .done: perform(machine.done(isLate: connection.identity.takeLateDone()))
        case .error: receivedError(message)
        case .invalid(let error):
            perform(machine.unreadable("The gateway sent a message that is not JSON: \(error.reason.rawValue)."))
        case .other:
            let error = upstreamError(message)
            if error.isMessage { receivedError(error) } else { machine.heardNothing() }
        }
    }

    /// A message that is an error, whatever it looks like.
    func receivedError(_ message: UnsafeRawBufferPointer) { receivedError(upstreamError(message)) }

    private func upstreamError(_ message: UnsafeRawBufferPointer) -> UpstreamError {
        UpstreamError(message, hiding: owner.keys[key].secret, now: Self.now)
    }

    /// The chunk before, with other text: it is of the same answer, and means the same.
    private func received(_ text: ScannedText, in message: UnsafeRawBufferPointer) {
        let action = machine.chunk(lastChunk, now: .now())
        switch action {
        case .deliver:
            timer.set(machine.deadline)
            handler?.streamReceived(text, in: message)
        case .deliverLast(let farewell):
            handler?.streamReceived(text, in: message)
            end(.complete, farewell)
        default: perform(action)
        }
    }

    private func received(
        _ chunk: ScannedChunk, in message: UnsafeRawBufferPointer, on connection: some GatewayConnection
    ) {
        // The request may have to go out again until something of the answer has come.
        if !isAnswered, chunk.carriesOutput || chunk.finishedChoices != 0 {
            isAnswered = true
            body = ByteBuffer()
            owner.keys.accepted(key, model: model)
            owner.metrics.withAlerts { $0.answered(model) }
            if let lesson { owner.shapes.learn(lesson, of: model) }
        }
        let hasUsage = !chunk.usage.isEmpty
        let verdict =
            connection.isOneAnswer
            ? .own
            : connection.identity.admit(
                id: message[chunk.id],
                isSubstantial: chunk.carriesOutput || chunk.finishedChoices != 0 || hasUsage)
        lastChunk = .init(
            verdict: verdict, finishedChoices: chunk.finishedChoices, outputChoices: chunk.outputChoices,
            interruption: chunk.finishedChoices == 0 ? nil : chunk.interruption(in: message), hasUsage: hasUsage,
            hasChoices: chunk.hasChoices)
        let action = machine.chunk(lastChunk, now: .now())
        switch action {
        case .deliver:
            timer.set(machine.deadline)
            handler?.streamReceived(chunk, in: message)
            if machine.isAsGoodAsOver, !wasToldOver {
                wasToldOver = true
                handler?.streamFinished()
            }
        case .deliverLast(let farewell):
            handler?.streamReceived(chunk, in: message)
            end(.complete, farewell)
        default: perform(action)
        }
    }

    func connectionFaulted(_ fault: some GatewayFault) { perform(machine.fault(fault)) }

    func connectionClosed(code: UInt16?) { perform(machine.closed(code: code)) }

    func answerEnded() { perform(machine.bodyEnded()) }

    func connectionLost() { perform(machine.disconnected()) }

    // MARK: -

    private func connect(now: NIODeadline) {
        machine.connect(now: now)
        timer.set(machine.deadline)
        if let connection = owner.open(for: self, model: model, now: now) {
            connect(connection)
        } else {
            isQueued = true
        }
    }

    private func connect(_ connection: any GatewayConnection) {
        self.connection = connection
        connection.connect(trace: trace)
    }

    private func timedOut() {
        let now = NIODeadline.now()
        if isQueued, owner.isOpening(now: now) {
            machine.connect(now: now)
            timer.set(machine.deadline)
        } else if let refusal = connection?.pendingRefusal {
            perform(machine.connectFailed(judged(refusal)))
        } else {
            perform(machine.timeout(now: now))
            timer.set(machine.deadline)
        }
    }

    private func perform(_ action: GatewayStreamMachine.Action) {
        switch action {
        case .none, .deliver, .deliverLast: break
        case .dropLate: owner.countLateFrame()
        case .restart:
            owner.metrics.deadConnectionsReplaced.add(1, ordering: .relaxed)
            let connection = self.connection
            self.connection = nil
            connection?.release(.abort)
            connect(now: .now())
        case .end(let end, let farewell): self.end(end, farewell)
        }
    }

    /// The connection goes first, so that the handler's next request can have it.
    private func end(_ end: GatewayStreamEnd, _ farewell: GatewayStreamMachine.Farewell) {
        timer.invalidate()
        if machine.hasWithdrawn { owner.habits.sawFinishWithdrawn() }
        body = ByteBuffer()
        isPaused = false
        isQueued = false
        let connection = self.connection
        self.connection = nil
        connection?.release(farewell)
        let handler = self.handler
        self.handler = nil
        guard case .failed(let failure) = end, failure.isUntrusted else {
            owner.metrics.count(end)
            if case .failed(let failure) = end { owner.alert(of: failure, model: model) }
            handler?.streamEnded(end)
            return
        }
        owner.explain(failure) { [owner] (failure: GatewayFailure) in
            owner.metrics.count(.failed(failure))
            handler?.streamEnded(.failed(failure))
        }
    }

    private func receivedError(_ error: UpstreamError) {
        let failure = judged(.refused(machine.stage, status: error.status, error))
        if !asksAgain(after: failure) { perform(machine.errorMessage(failure)) }
    }

    /// Seconds since 1970.
    private static var now: Double { Date().timeIntervalSince1970 }

    private func judged(_ failure: GatewayFailure) -> GatewayFailure {
        failure.judged(by: owner.configuration.errorPhrases)
    }
}
