internal import AMQP
internal import ChatModel
internal import Gateway
internal import Logging
internal import NIOCore

/// One job under way: carries out what `JobMachine` decides.
///
/// Unchecked: everything that changes is touched on `loop` only; other threads get there through `loop.execute`.
final class JobExecution: GatewayStreamHandler, @unchecked Sendable {
    let loop: any EventLoop
    let job: Job
    let priority: Int
    private let host: JobHost
    private let shard: PublisherShard
    private let onFinished: @Sendable (JobExecution) -> Void

    private var machine: JobMachine
    private(set) var delivery: Delivery
    /// Deliveries of the same job that came while it ran; acked with its end.
    private var joined: [DeliveryTag] = []
    private var stream: AnswerStream?
    private var gatewayStream: GatewayStream?
    private var timings = JobTimings()
    private var tokensWasted = 0
    private var outcome: JobMachine.Outcome?
    private var pendingReceipts = 0
    private var replyWasUnroutable = false
    private var timeLimit: Scheduled<Void>?
    private var waitLimit: Scheduled<Void>?
    /// It was given one of the worker's places for running jobs.
    private(set) var hasPlace = false
    /// The consumer connection that brought it here.
    let admittedGeneration: UInt64

    /// - Parameter onFinished: the job is over for this worker; called on `loop`, once.
    init(
        job: Job, delivery: Delivery, priority: Int, received: UInt64, loop: any EventLoop, host: JobHost,
        onFinished: @escaping @Sendable (JobExecution) -> Void
    ) {
        self.job = job
        self.delivery = delivery
        self.priority = priority
        self.loop = loop
        self.host = host
        self.onFinished = onFinished
        shard = host.shard(for: job.key)
        admittedGeneration = delivery.tag.generation
        machine = JobMachine(
            attempt: Republication.attempt(of: delivery, workerUser: host.user), policy: JobMachine.Policy())
        timings.received = received
        // A timestamp is seconds; what some put there instead (nanoseconds) says nothing.
        if let published = delivery.properties.timestamp, published < 1 << 40 {
            timings.queuedBefore = host.wallClock().milliseconds - Int64(clamping: published) * 1_000
        }
    }

    // MARK: Events

    /// A place is free.
    func begin() {
        hasPlace = true
        guard machine.phase == .waiting else {
            // Dropped while it stood in the line: the place is free again. One that is being handed back frees it later.
            if machine.phase == .done { onFinished(self) }
            return
        }
        waitLimit?.cancel()
        if let deadline = job.deadline, deadline <= host.wallClock().milliseconds {
            return perform(machine.timeExpired(.deadlineExceeded))
        }
        scheduleTimeLimit()
        perform(machine.begin())
    }

    func join(_ tag: DeliveryTag) { joined.append(tag) }

    func deliveryLost() {
        joined = []
        perform(machine.deliveryLost())
    }

    /// The job came back. `false` where it was somebody else's in between: then this execution is over.
    func adopt(_ redelivery: Delivery) -> Bool {
        let lost = Republication.attempt(of: delivery, workerUser: host.user)
        let found = Republication.attempt(of: redelivery, workerUser: host.user)
        guard found.republishes == lost.republishes, found.deliveryCount == lost.deliveryCount + 1,
            redelivery.body == delivery.body
        else {
            perform(machine.claimedElsewhere())
            return false
        }
        delivery = redelivery
        host.counters.adopted.add(1, ordering: .relaxed)
        perform(machine.deliveryAdopted())
        return true
    }

    /// The job was not given back in time after its delivery was lost.
    func adoptionExpired() {
        if !machine.hasDelivery { perform(machine.claimedElsewhere()) }
    }

    /// It waits for a place: not so long that it would age towards the broker's ack timeout.
    func limitWait(to limit: Duration) {
        waitLimit = loop.scheduleTask(in: TimeAmount(limit)) { self.perform(self.machine.waitExpired()) }
    }

    var hasDelivery: Bool { machine.hasDelivery }
    var isOver: Bool { machine.phase == .done }

    func drainBegan() { perform(machine.drainBegan()) }
    func drainExpired() { perform(machine.drainExpired()) }

    // MARK: GatewayStreamHandler

    func streamStarted(onReusedConnection reused: Bool) { timings.connected = NIODeadline.now().uptimeNanoseconds }

    func streamReceived(_ chunk: borrowing ScannedChunk, in bytes: UnsafeRawBufferPointer) {
        guard let stream else { return }
        if timings.firstOutput == 0, chunk.carriesOutput {
            timings.firstOutput = NIODeadline.now().uptimeNanoseconds
            machine.outputArrived()
        }
        let appended = stream.append(copy chunk, in: bytes)
        if appended.enqueue { shard.enqueue(stream) }
        if appended.pause { gatewayStream?.pauseReading() }
        if bytes.count > host.configuration.maximumAnswerBytes - stream.count {
            perform(machine.timeExpired(.answerTooLarge(host.configuration.maximumAnswerBytes)))
        }
    }

    func streamEnded(_ end: GatewayStreamEnd) {
        gatewayStream = nil
        perform(machine.streamEnded(end, chance: Double.random(in: 0..<1)))
    }

    // MARK: Actions

    private func perform(_ action: JobMachine.Action) {
        switch action {
        case .nothing: break
        case .ask(let restarts): ask(restarts: restarts)
        case .wait(let wait):
            loop.scheduleTask(in: TimeAmount(wait)) { self.perform(self.machine.retryDue()) }
        case .complete(let outcome): complete(outcome)
        case .cutAndComplete(let outcome):
            gatewayStream?.cancel()
            complete(outcome)
        case .cut: gatewayStream?.cancel()
        case .handBack: handBack()
        case .acknowledge:
            host.acknowledge(delivery.tag)
            for tag in joined { host.acknowledge(tag) }
            finish()
        case .abandon:
            gatewayStream?.cancel()
            stream?.abandon()
            finish()
        }
    }

    private func ask(restarts: Bool) {
        guard let gateway = host.gateways[job.route.gateway] else { return perform(machine.timeExpired(.noGateway)) }
        timings.asked = NIODeadline.now().uptimeNanoseconds
        if timings.begun == 0 { timings.begun = timings.asked }
        timings.connected = 0
        timings.firstOutput = 0
        if let stream, restarts {
            tokensWasted += stream.outputChunks
            stream.restart(attempt: machine.attempt, defaults: defaults())
        } else {
            makeStream()
        }
        let request = GatewayRequest(
            model: job.route.upstreamModel, body: ByteBuffer(bytes: job.request), choiceCount: job.choiceCount,
            traceparent: job.traceparent)
        gatewayStream = gateway.open(request, on: loop, handler: self)
    }

    private func defaults() -> AnswerLog.Defaults {
        .init(
            id: "chatcmpl-\(RunID.make())", model: job.route.upstreamModel,
            created: Int(host.wallClock().milliseconds / 1_000))
    }

    @discardableResult
    private func makeStream() -> AnswerStream {
        let loop = loop
        let stream = AnswerStream(
            identifier: host.makeStreamIdentifier(), address: ReplyAddress(job, host.configuration.plan),
            attempt: machine.attempt, owesReset: machine.attempt.hasPredecessor, defaults: defaults(),
            highWater: host.configuration.highWaterBytes,
            // Stream and execution hold each other until `finish`.
            onResume: { loop.execute { self.gatewayStream?.resumeReading() } },
            onAttemptChanged: { attempt in loop.execute { self.attemptChanged(attempt) } })
        shard.register(stream)
        self.stream = stream
        return stream
    }

    private func scheduleTimeLimit() {
        let waited = NIODeadline.now().uptimeNanoseconds &- timings.received
        let total = host.configuration.totalTimeout - .nanoseconds(Int64(clamping: waited))
        let left = job.deadline.map { Duration.milliseconds($0 - host.wallClock().milliseconds) } ?? total
        let limit = min(left, total)
        let failure: JobFailure = left < total ? .deadlineExceeded : .totalTimeout
        timeLimit = loop.scheduleTask(in: TimeAmount(limit)) { self.perform(self.machine.timeExpired(failure)) }
    }

    /// A publish connection was lost: the answer is said again under a later attempt, and so is its end.
    private func attemptChanged(_ attempt: AttemptNumber) {
        perform(machine.attemptChanged(attempt, outcome: outcome))
    }

    private func complete(_ outcome: JobMachine.Outcome) {
        self.outcome = outcome
        if timings.ended == 0 { timings.ended = NIODeadline.now().uptimeNanoseconds }
        let stream = stream ?? makeStream()
        if stream.end() { shard.enqueue(stream) }
        // Made of a copy, which shares its bytes with the log: the publisher thread need not wait for it.
        let (log, attempt, run) = stream.snapshot()
        let writer = ResultWriter(
            job: job, attempt: attempt, tries: machine.tries, timings: timings, tokensWasted: tokensWasted, log)
        let terminal = JobEnding(host: host, job: job, outcome: outcome, writer: writer, receipt: receipt)
            .terminal(log, attempt: attempt, run: run)
        pendingReceipts = terminal.companions.count + (terminal.reply == nil ? 0 : 1)
        if stream.finish(terminal) { shard.enqueue(stream) }
    }

    /// For each message that ends the job, when it is confirmed.
    private var receipt: @Sendable (_ isReply: Bool, DurableMessage.Settlement) -> Void {
        let loop = loop
        return { isReply, settlement in
            loop.execute {
                if isReply, settlement == .unroutable { self.replyWasUnroutable = true }
                self.pendingReceipts -= 1
                if self.pendingReceipts == 0 { self.perform(self.machine.receiptsConfirmed()) }
            }
        }
    }

    private func handBack() {
        gatewayStream?.cancel()
        stream?.abandon()
        host.counters.handedBack.add(1, ordering: .relaxed)
        pendingReceipts = 1
        let receipt = receipt
        do throws(AMQPError) {
            shard.publish(
                try Messages.republished(
                    delivery, to: delivery.queue, customer: job.customer, host: host, settled: { receipt(false, $0) }))
        } catch {
            // Not acked, the broker gives it to another worker when this one's connection closes.
            host.logger.error(
                "job cannot be handed back", metadata: [LogKey.job: "\(job.id)", LogKey.error: "\(error)"])
        }
    }

    private func finish() {
        // A waiting job that is dropped still stands in the line; its turn will find it over.
        timeLimit?.cancel()
        waitLimit?.cancel()
        if let stream { shard.unregister(stream) }
        switch outcome {
        case .completed: host.counters.completed.add(1, ordering: .relaxed)
        case .failed: host.counters.failed.add(1, ordering: .relaxed)
        case nil: break
        }
        JobLogLine.write(self, host.logger)
        stream = nil
        onFinished(self)
    }
}

extension JobExecution {
    /// What the canonical log line says. On `loop`.
    var summary: JobLogLine.Summary {
        JobLogLine.Summary(
            job: job, attempt: machine.attempt, tries: machine.tries, outcome: outcome, timings: timings,
            bytes: stream?.count ?? 0, replyWasUnroutable: replyWasUnroutable)
    }
}
