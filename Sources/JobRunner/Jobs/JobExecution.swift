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
    let shard: PublisherShard
    /// The gate that lets it ask.
    let gate: RateGates.Key
    /// The consumer connection that brought it here.
    let admittedGeneration: UInt64
    /// What tells this message from later ones of the same job.
    let enqueued: CancelBook.Enqueued

    var machine: JobMachine
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
    var pass: RateGate.Pass?
    var timings = JobTimings()
    /// The longest answer of those that broke off, where it started over: it was paid for.
    var bestPartial: AnswerLog?
    var outcome: JobMachine.Outcome?
    var pendingReceipts = 0
    var replyWasUnroutable = false
    var timeLimit: Scheduled<Void>?
    var waitLimit: Scheduled<Void>?
    var deadlineLimit: Scheduled<Void>?
    var readerChecks: RepeatedTask?

    init(
        job: Job, delivery: Delivery, finished: FinishedDelivery, priority: Int, received: UInt64, loop: any EventLoop,
        host: JobHost
    ) {
        self.job = job
        self.delivery = delivery
        self.finished = finished
        self.priority = priority
        self.loop = loop
        self.host = host
        shard = host.shard(for: job.key)
        gate = RateGates.Key(job.route)
        admittedGeneration = delivery.tag.generation
        let now = host.wallClock().milliseconds
        let parked = ParkedState(of: delivery, workerUser: host.user, now: now)
        self.parked = parked
        ageOnArrival = .milliseconds(max(0, now - parked.firstReceived))
        let attempt = Republication.attempt(of: delivery, workerUser: host.user)
        machine = JobMachine(attempt: attempt, spent: parked.spent, policy: host.configuration.retry)
        // A timestamp is seconds; what some put there instead (nanoseconds) says nothing.
        let published = delivery.properties.timestamp.flatMap { $0 < 1 << 40 ? Int64($0) : nil }
        enqueued = CancelBook.Enqueued(
            controlOffset: parked.controlOffset, time: published, isRepeated: attempt.hasPredecessor)
        timings.received = received
        if let published { timings.queuedBefore = now - published * 1_000 }
    }

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
        timings.connected = NIODeadline.now().uptimeNanoseconds
    }

    func streamReceived(_ chunk: borrowing ScannedChunk, in bytes: UnsafeRawBufferPointer) {
        guard let stream else { return }
        Failpoint.chunk.hit()
        if timings.firstOutput == 0, chunk.carriesOutput {
            timings.firstOutput = NIODeadline.now().uptimeNanoseconds
            machine.outputArrived()
            leaveGate(wasAnswered: true)
        }
        let appended = stream.append(copy chunk, in: bytes)
        if appended.enqueue { shard.enqueue(stream, on: loop) }
        if appended.pause { gatewayStream?.pauseReading() }
        if bytes.count > host.configuration.maximumAnswerBytes - appended.count {
            perform(machine.timeExpired(.answerTooLarge(host.configuration.maximumAnswerBytes)))
        }
    }

    func streamEnded(_ end: GatewayStreamEnd) {
        Failpoint.streamEnded.hit()
        gatewayStream = nil
        let action = machine.streamEnded(end, chance: Double.random(in: 0..<1), age: age)
        if case .yield = action {} else { leaveGate(wasAnswered: end == .complete) }
        perform(action)
    }

    // MARK: Actions

    func perform(_ action: JobMachine.Action) {
        if machine.phase == .completing || machine.phase == .done { host.board.leaveLine(self) }
        switch action {
        case .nothing: break
        case .ask(let restarts): ask(restarts: restarts)
        case .wait(let wait):
            loop.scheduleTask(in: TimeAmount(wait)) { self.perform(self.machine.retryDue()) }
        case .yield(let retryAfter): yieldPlace(retryAfter)
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
            finish()
        }
    }

    private func ask(restarts: Bool) {
        guard let gateway = host.gateways[job.route.gateway] else { return perform(machine.timeExpired(.noGateway)) }
        if job.id.hasPrefix("poison-") { Failpoint.poison.hit() }
        Failpoint.begun.hit()
        // A try after a wait of its own did not stand in the line, but counts at the gate like any other.
        if pass == nil { pass = host.gates.enter(gate) }
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
        let request = GatewayRequest(
            model: job.route.upstreamModel, body: ByteBuffer(bytes: job.request), choiceCount: job.choiceCount,
            traceparent: job.traceparent)
        gatewayStream = gateway.open(request, on: loop, handler: self)
    }

    /// What a broken answer had is thrown away for the readers, but not forgotten.
    private func keepPartial(of stream: AnswerStream) {
        parked.tokensWasted += stream.outputChunks
        let log = stream.snapshot().log
        if log.outputChunks > bestPartial?.outputChunks ?? 0 { bestPartial = log }
    }

    private func finish() {
        timeLimit?.cancel()
        waitLimit?.cancel()
        deadlineLimit?.cancel()
        readerChecks?.cancel()
        leaveGate(wasAnswered: false)
        if let stream { shard.unregister(stream) }
        switch outcome {
        case .completed: host.counters.completed.add(1, ordering: .relaxed)
        case .some(let outcome) where outcome.isCancellation: host.counters.cancelled.add(1, ordering: .relaxed)
        case .failed: host.counters.failed.add(1, ordering: .relaxed)
        case nil: break
        }
        JobLogLine.write(self, host.logger)
        host.board.finished(self)
        stream = nil
        for resume in successors { resume() }
        successors = []
    }

    private func defaults() -> AnswerLog.Defaults {
        .init(
            id: "chatcmpl-\(RunID.make())", model: job.route.upstreamModel,
            created: Int(host.wallClock().milliseconds / 1_000))
    }

    @discardableResult
    func makeStream() -> AnswerStream {
        let loop = loop
        let stream = AnswerStream(
            identifier: host.makeStreamIdentifier(), address: ReplyAddress(job, host.configuration.plan),
            attempt: machine.attempt, owesReset: machine.attempt.hasPredecessor, defaults: defaults(),
            highWater: host.configuration.highWaterBytes,
            // Stream and execution hold each other until `finish`.
            onResume: { loop.execute { self.gatewayStream?.resumeReading() } },
            onAttemptChanged: { attempt in loop.execute { self.attemptChanged(attempt) } },
            onTakenBack: { loop.execute { self.endTakenBack() } })
        shard.register(stream)
        self.stream = stream
        return stream
    }

    /// A publish connection was lost: the answer is said again under a later attempt, and so is its end.
    private func attemptChanged(_ attempt: AttemptNumber) {
        perform(machine.attemptChanged(attempt, outcome: outcome))
    }

    /// The end that was on its way is void: it is told once the job is this worker's again, if it ever is.
    private func endTakenBack() {
        guard let outcome, machine.phase == .completing else { return }
        perform(
            machine.hasDelivery ? .complete(outcome) : machine.deliveryLost(outcome: outcome, wasRecalled: true))
    }
}

extension JobExecution {
    /// What the canonical log line says. On `loop`.
    var summary: JobLogLine.Summary {
        JobLogLine.Summary(
            job: job, attempt: machine.attempt, tries: machine.tries, outcome: outcome, isMoving: machine.isMoving,
            timings: timings, bytes: stream?.count ?? 0, replyWasUnroutable: replyWasUnroutable)
    }

    /// Tokens that it cost, as far as is known; what a customer's turn is charged with.
    var tokens: Int { stream?.outputChunks ?? 0 }
}
