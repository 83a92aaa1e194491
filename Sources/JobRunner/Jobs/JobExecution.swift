internal import AMQP
internal import ChatModel
internal import Gateway
internal import Logging
internal import NIOCore

/// One job under way: carries out what `JobMachine` decides. What it publishes stands in `JobExecution+Messages.swift`.
///
/// Unchecked: everything that changes is touched on `loop` only; other threads get there through `loop.execute`.
final class JobExecution: GatewayStreamHandler, @unchecked Sendable {
    let loop: any EventLoop
    let job: Job
    let priority: Int
    let host: JobHost
    let settings: JobSettings
    let shard: PublisherShard
    /// The consumer connection that brought it here.
    let admittedGeneration: UInt64
    /// What tells this message from later ones of the same job.
    let enqueued: CancelBook.Enqueued

    var machine: JobMachine
    /// Which of its models is asked.
    var routes: RouteChoice
    /// `job` as it is asked of a fallback, while it is.
    var rerouted: Box<Job>?
    var delivery: Delivery
    /// What is remembered, and told to others, of the delivery's end.
    var finished: FinishedDelivery
    var parked: ParkedState
    let ageOnArrival: Duration
    /// Deliveries of the same job that came while it ran; acked with its end.
    var joined: [DeliveryTag] = []
    /// Later lives of the same message, which came before this one was acked.
    var successors: [@Sendable () -> Void] = []
    var stream: AnswerStream?
    var gatewayStream: GatewayStream?
    /// While a request is under way.
    var pass: RouteGates.Pass?
    /// Where requests had come when this job met its last 429, by model.
    var limitMarks: [RouteKey: UInt64] = [:]
    var timings = JobTimings()
    /// The longest answer of those that broke off, where it started over: it was paid for.
    var bestPartial: Box<(log: AnswerLog, charge: Charge?)>?
    /// What it has cost, attempt by attempt; and what it costs at present.
    var charges: [Charge] = []
    var current: AttemptStart?
    /// What the customer's budget allows the attempt that is about to begin; `nil`: there is none.
    var grant: Money?
    var isGranted = false
    /// Output chunks that are paid for.
    var spendLimit = Int.max
    var outcome: JobMachine.Outcome?
    /// Of the messages of its end, or of its move, and of the usage events of attempts that ended before.
    var receipts = ReceiptCounter()
    var replyWasUnroutable = false
    /// Why its replies were given up.
    var undeliverable: Undeliverable?
    /// The answer is too large for the broker: the job ends with an error that does not hold it.
    var isTooLargeForBroker = false
    /// Of the end that is out: the reply has arrived; something was too large.
    var replyArrived = false
    var endWasTooLarge = false
    var timeLimit: LoopTimer?
    var waitLimit: LoopTimer?
    var deadlineLimit: LoopTimer?
    var readerChecks: RepeatedTask?
    /// When this delivery came; milliseconds since 1970.
    let arrived: Int64
    var suspicion = Suspicion.none
    var suspicionTimer: LoopTimer?
    /// Whether attempts that died with their worker were charged.
    var hasCountedTheDead = false
    /// It is given up because workers died with it.
    var isKiller = false
    /// What its replies, its webhook and its requests are a part of: the backend's, or of this worker's span.
    var trace: TraceContext?
    /// Where the worker traces.
    var spans: JobSpans?
    /// Whether its steps are logged.
    let tellsSteps: Bool

    init(
        job: Job, delivery: Delivery, finished: FinishedDelivery, priority: Int, received: UInt64, loop: any EventLoop,
        host: JobHost, settings: JobSettings
    ) {
        self.job = job
        self.delivery = delivery
        self.finished = finished
        self.priority = priority
        self.loop = loop
        self.host = host
        self.settings = settings
        shard = host.shard(for: job.key)
        routes = RouteChoice(job)
        trace = job.trace
        tellsSteps = host.logger.logLevel <= .debug || Self.isSampled(job.key, share: settings.debugSample)
        admittedGeneration = delivery.tag.generation
        let now = host.wallClock().milliseconds
        arrived = now
        let parked = ParkedState(of: delivery, workerUser: host.user, now: now)
        self.parked = parked
        ageOnArrival = .milliseconds(max(0, now - parked.firstReceived))
        let attempt = Republication.attempt(of: delivery, workerUser: host.user)
        machine = JobMachine(attempt: attempt, spent: parked.spent, policy: settings.retry)
        // A timestamp is seconds; what some put there instead (nanoseconds) says nothing.
        let published = delivery.properties.timestamp.flatMap { $0 < 1 << 40 ? Int64($0) : nil }
        enqueued = CancelBook.Enqueued(
            controlOffset: parked.controlOffset, time: published, isRepeated: attempt.hasPredecessor)
        timings.received = received
        if let published { timings.queuedBefore = now - published * 1_000 }
    }

    /// `job`, as it is asked now: of its own model, or of a fallback.
    var routed: Job {
        var routed = rerouted?.value ?? job
        routed.trace = trace
        return routed
    }

    /// Of the model that is asked now, and what it is asked.
    var route: ModelRoute { rerouted?.value.route ?? job.route }
    var request: JobRequest { rerouted?.value.content ?? job.content }

    /// The gates that it stands before.
    var lane: RouteLane { routes.lane }
    var hasDelivery: Bool { machine.hasDelivery }
    var isMoving: Bool { machine.isMoving }
    var isOver: Bool { machine.phase == .done }

    // MARK: Ends

    /// Whether a cancel was read that concerns this message. Any thread.
    var isCancelled: Bool { host.control.isCancelled(job.key, enqueued) }

    func cancel() { perform(machine.cancelled(.cancelled(at: stage))) }

    /// Nobody can read its replies.
    func unread() { perform(machine.cancelled(.unread(at: stage))) }

    private var stage: JobFailure.Stage {
        switch machine.phase {
        case .waiting, .backingOff: .waiting
        case .connecting: .connect
        case .streaming: .streaming
        case .completing, .done: .completing
        }
    }

    func drainBegan() { perform(machine.drainBegan()) }
    func drainExpired() { perform(machine.drainExpired()) }

    // MARK: GatewayStreamHandler

    func streamStarted(onReusedConnection reused: Bool) {
        Failpoint.upgraded.hit()
        if job.id.hasPrefix("poison-") { Failpoint.poison.hit() }
        if suspicion != .none { host.suspects.turnIsOver(self) }
        timings.connected = NIODeadline.now().uptimeNanoseconds
        tell("request sent", ["connection.reused": "\(reused)"])
    }

    func streamReceived(_ chunk: ScannedChunk, in bytes: UnsafeRawBufferPointer) {
        guard let stream else { return }
        Failpoint.chunk.hit()
        if timings.firstOutput == 0, chunk.carriesOutput {
            timings.firstOutput = NIODeadline.now().uptimeNanoseconds
            machine.outputArrived()
            gateAnswered()
            tell("first output")
        }
        heed(stream.append(chunk, in: bytes), of: stream)
    }

    func streamReceived(_ text: ScannedText, in bytes: UnsafeRawBufferPointer) {
        guard let stream else { return }
        Failpoint.chunk.hit()
        heed(stream.append(text, in: bytes), of: stream)
    }

    @inline(__always)
    private func heed(_ appended: AnswerStream.Appended, of stream: AnswerStream) {
        if appended.enqueue { shard.enqueue(stream, on: loop) }
        if appended.pause { gatewayStream?.pauseReading() }
        if appended.outputChunks > spendLimit { spendLimitReached() }
        if appended.outputBytes > settings.maximumAnswerBytes || appended.count > settings.maximumKeptBytes {
            perform(machine.timeExpired(.answerTooLarge(settings.maximumAnswerBytes)))
        }
    }

    func streamFinished() {
        leaveGate(.answered)
        host.board.giveUpPlace(self)
    }

    func streamEnded(_ end: GatewayStreamEnd) {
        Failpoint.streamEnded.hit()
        gatewayStream = nil
        endAttemptSpan(end.failure?.code)
        tell(
            "answer ended",
            [LogKey.answerBytes: "\(stream?.count ?? 0)", LogKey.errorCode: "\(end.failure?.code ?? "none")"])
        guard machine.phase == .connecting else {
            leaveGate(end == .complete ? .answered : .other)
            return goOn(after: end)
        }
        var failure = failureBeforeOutput(end)
        let change = leaveGate(failure.map(gateEnd) ?? (end == .complete ? .answered : .other))
        failure?.concernsJobAlone = change == .limitedAlone
        var judged = end
        switch failure.map({ routes.failed($0) }) {
        case .next:
            settleAttempt(because: failure)
            return reenterGate { $0.fellBack() }
        case .judge(let failure): if end != .complete { judged = .failed(failure) }
        case nil: break
        }
        goOn(after: judged)
    }

    private func goOn(after end: GatewayStreamEnd) {
        let action = machine.streamEnded(end, chance: Double.random(in: 0..<1), age: age)
        if action.goesOn { settleAttempt(because: end.failure) }
        perform(action)
    }

    /// Why the answer did not begin. An answer that the model's filter has kept empty is one, where another may be asked.
    private func failureBeforeOutput(_ end: GatewayStreamEnd) -> GatewayFailure? {
        switch end {
        case .failed(let failure): failure
        case .complete: job.fallbacks.isEmpty || stream?.snapshot().log.isFiltered != true ? nil : .filtered
        case .cancelled: nil
        }
    }

    private func gateEnd(_ failure: GatewayFailure) -> RouteGates.End {
        switch failure.fallbackCause {
        case .rateLimited where failure.isRetryable:
            .limited(retryAfter: failure.retryAfter, since: pass.flatMap { limitMarks[$0.key] })
        // A key that is refused says so at once, and to everybody.
        case .unavailable where !failure.isKeyRefusal: .unavailable
        default: .other
        }
    }

    // MARK: Actions

    func perform(_ action: JobMachine.Action) {
        if machine.phase == .completing || machine.phase == .done { host.board.leaveLine(self) }
        switch action {
        case .nothing: break
        case .ask(let restarts): ask(restarts: restarts)
        case .wait(let wait):
            loop.scheduleTask(in: TimeAmount(wait)) { self.retryDue() }
        case .yield: yieldPlace()
        case .complete(let outcome): complete(outcome)
        case .cutAndComplete(let outcome):
            gatewayStream?.cancel()
            complete(outcome)
        case .cut: gatewayStream?.cancel()
        case .park(let wait): park(wait)
        case .handBack:
            gatewayStream?.cancel()
            handBack()
        case .acknowledge:
            Failpoint.acknowledging.hit()
            host.seenThrough(delivery.tag, (job.key, finished))
            for tag in joined { host.acknowledge(tag) }
            Failpoint.acknowledged.hit()
            finish()
        case .abandon:
            gatewayStream?.cancel()
            stream?.abandon()
            settleAttempt()
            finish()
        }
    }

    private func retryDue() {
        guard machine.phase == .backingOff else { return }
        reenterGate(isForced: tokens > 0) { $0.retryDue() }
    }

    private func ask(restarts: Bool) {
        guard let gateway = host.gateways[route.gateway] else {
            return perform(machine.timeExpired(.noGateway))
        }
        settleAttempt()
        guard isGranted || mayAsk() else { return }
        isGranted = false
        Failpoint.begun.hit()
        timings.asked = NIODeadline.now().uptimeNanoseconds
        if timings.begun == 0 { timings.begun = timings.asked }
        timings.connected = 0
        timings.firstOutput = 0
        if let stream, restarts {
            keepPartial(of: stream)
            let attempt = stream.restart(attempt: machine.attempt, defaults: defaults())
            perform(machine.attemptChanged(attempt, outcome: nil))
        } else {
            makeStream()
        }
        guard finished.deliveryCount > 0 || suspicion != .none else {
            beginAttempt()
            return open(gateway)
        }
        // Should it kill this worker, the others must know that it had begun.
        let loop = loop
        let attempt = machine.attempt.value
        beginAttempt {
            loop.execute {
                guard self.machine.phase == .connecting, self.gatewayStream == nil, self.current?.attempt == attempt
                else { return }
                self.open(gateway)
            }
        }
    }

    private func open(_ gateway: GatewayClient) {
        tell("asks", [LogKey.gateway: "\(route.gateway)", LogKey.model: "\(route.upstreamModel)"])
        var request = GatewayRequest(
            model: route.upstreamModel, body: ByteBuffer(bytes: request.bytes), choiceCount: job.choiceCount,
            trace: spans?.began(route, attempt: machine.attempt) ?? trace)
        request.asksForUsage = route.includeUsage
        request.shape = route.shape
        request.firstChunkTimeout = route.firstChunkTimeout
        gatewayStream = gateway.open(request, on: loop, handler: self)
    }

    /// What a broken answer had is thrown away for the readers, but not forgotten.
    private func keepPartial(of stream: AnswerStream) {
        parked.tokensWasted += stream.outputChunks
        let log = stream.snapshot().log
        if log.outputChunks > bestPartial?.value.log.outputChunks ?? 0 { bestPartial = Box((log, charges.last)) }
    }

    private func finish() {
        timeLimit?.invalidate()
        leaveLine()
        readerChecks?.cancel()
        leaveGate(.other)
        leaveSuspects()
        closeAccount()
        if let stream { shard.unregister(stream) }
        switch outcome {
        case .completed: host.counters.completed.add(1, ordering: .relaxed)
        case .some(let outcome) where outcome.isCancellation: host.counters.cancelled.add(1, ordering: .relaxed)
        case .failed: host.counters.failed.add(1, ordering: .relaxed)
        case nil: break
        }
        JobLogLine.write(self, host.logger)
        host.metrics.ended(summary, chunks: tokens, at: host.wallClock())
        spans?.ended(outcome, isMoving: machine.isMoving)
        spans = nil
        host.board.finished(self)
        stream = nil
        for resume in successors { resume() }
        successors = []
    }

    private func defaults() -> AnswerLog.Defaults {
        .init(
            id: "chatcmpl-\(RunID.make())", model: route.upstreamModel,
            created: Int(host.wallClock().milliseconds / 1_000))
    }

    @discardableResult
    func makeStream() -> AnswerStream {
        let loop = loop
        let stream = AnswerStream(
            identifier: host.makeStreamIdentifier(), address: ReplyAddress(routed, host.configuration.plan),
            attempt: machine.attempt, owesReset: machine.attempt.hasPredecessor, defaults: defaults(),
            highWater: settings.highWaterBytes,
            // Stream and execution hold each other until `finish`.
            onResume: { loop.execute { self.gatewayStream?.resumeReading() } },
            onAttemptChanged: { attempt in loop.execute { self.attemptChanged(attempt) } },
            onTakenBack: { loop.execute { self.endTakenBack() } },
            onTooLarge: { loop.execute { self.textWasTooLarge() } })
        shard.register(stream)
        self.stream = stream
        return stream
    }

    /// A publish connection was lost: the answer is said again under a later attempt, and so is its end.
    private func attemptChanged(_ attempt: AttemptNumber) {
        perform(machine.attemptChanged(attempt, outcome: outcome))
    }

    /// The end that was on its way is void: it is told once the job is this worker's again, if it ever is.
    func endTakenBack() {
        guard let outcome, machine.phase == .completing else { return }
        perform(
            machine.hasDelivery ? .complete(outcome) : machine.deliveryLost(outcome: outcome, wasRecalled: true))
    }
}

extension JobExecution {
    /// What the canonical log line says. On `loop`.
    var summary: JobLogLine.Summary {
        JobLogLine.Summary(
            job: routed, attempt: machine.attempt, tries: machine.tries, outcome: outcome, isMoving: machine.isMoving,
            timings: timings, bytes: stream?.count ?? 0, cost: charges.total,
            replyWasUnroutable: replyWasUnroutable, undeliverable: undeliverable)
    }

    /// Tokens that it cost, as far as is known; what a customer's turn is charged with.
    var tokens: Int { stream?.outputChunks ?? 0 }
}
