internal import AMQP
internal import ChatModel
internal import Logging
internal import NIOCore
internal import Synchronization
internal import Webhooks

/// Makes jobs of deliveries, and answers for those that are none. Deliveries come on the consumer's thread; all else
/// happens on event loops.
final class JobIntake: Sendable {
    private let host: JobHost
    private let board: JobBoard
    private let loops: [any EventLoop]
    /// Where the config says that the worker declares reply queues.
    private let declarer: ReplyQueueDeclarer?
    private let nextLoop = Atomic<Int>(0)
    /// Endings that are no job's: refusals and given-up jobs on their way.
    private let endings = PendingWork()

    /// A job that was returned so often is published anew, long before the broker's delivery limit gives it up: each death of
    /// a worker counts for all that it held, begun or not.
    private static let renewAfter = 20
    /// How long a job whose delivery was lost waits to be given back to this worker, once it consumes again. RabbitMQ 4.3
    /// keeps what it had given to a consumer whose node went away for a minute (`consumer_disconnected_timeout`), which
    /// begins when it notices: at once if the process died, after 75 s at most if the machine did.
    private static let adoptionTime = TimeAmount.seconds(150)

    init(host: JobHost, board: JobBoard, loops: [any EventLoop]) {
        self.host = host
        self.board = board
        self.loops = loops
        declarer = host.configuration.replyQueues.map {
            ReplyQueueDeclarer(plan: $0, broker: host.configuration.broker, logger: host.logger)
        }
    }

    // MARK: Consumer's thread

    func take(_ delivery: Delivery) {
        Failpoint.delivered.hit()
        let received = NIODeadline.now().uptimeNanoseconds
        let loop = loops[nextLoop.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max % loops.count]
        loop.execute { self.accept(delivery, received: received, on: loop) }
    }

    func takeGivenUp(_ delivery: Delivery) {
        let loop = loops[nextLoop.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max % loops.count]
        loop.execute { self.answerGivenUp(delivery, on: loop) }
    }

    func opened(generation: UInt64) {
        board.opened(generation: generation)
        for job in board.all {
            job.loop.execute {
                guard !job.hasDelivery else { return }
                job.loop.scheduleTask(in: Self.adoptionTime) {
                    // A later connection starts the time anew.
                    if self.board.generation == generation { job.adoptionExpired() }
                }
            }
        }
    }

    func lost(generation: UInt64) {
        for job in board.lost(generation: generation) { job.loop.execute { job.deliveryLost() } }
    }

    /// What the control stream's reader asks for. Called on the consumer's thread.
    func controlActions(
        synced: @escaping @Sendable () -> Void, reread: @escaping @Sendable () -> Void
    ) -> ControlDesk.Actions {
        @Sendable func tell(_ key: JobKey, _ what: @escaping @Sendable (JobExecution) -> Void) {
            if let job = self.board.known(key) { job.loop.execute { what(job) } }
        }
        return ControlDesk.Actions(
            cancelled: { cancel, isLive in tell(cancel.key) { $0.cancelRead(cancel, isLive: isLive) } },
            claimed: { key, attempt in tell(key) { $0.claimed(as: attempt) } },
            finished: { key, delivery in tell(key) { $0.finishedElsewhere(delivery) } },
            released: { deliveries in
                synced()
                for delivery in deliveries where !self.host.journal.holds(delivery) { self.take(delivery) }
            },
            mustReread: reread)
    }

    /// What the journal's reader asks for. Called on the consumer's thread.
    func journalActions(
        synced: @escaping @Sendable () -> Void, reread: @escaping @Sendable () -> Void
    ) -> JournalDesk.Actions {
        JournalDesk.Actions(
            released: { deliveries in
                synced()
                for delivery in deliveries {
                    if delivery.queue == self.host.names.failed {
                        self.takeGivenUp(delivery)
                    } else {
                        self.take(delivery)
                    }
                }
            },
            suspicionChanged: { key in
                let jobs = key.map { self.board.known($0).map { [$0] } ?? [] } ?? self.board.all
                for job in jobs { job.loop.execute { job.suspicionChanged() } }
            },
            mustReread: reread)
    }

    /// Returns when every refusal is confirmed, or at `deadline`.
    func settled(before deadline: ContinuousClock.Instant) async { await endings.finished(before: deadline) }

    func shutdown() async { await declarer?.shutdown() }

    // MARK: Event loops

    private func accept(_ delivery: Delivery, received: UInt64, on loop: any EventLoop) {
        let settings = host.settings
        let job: Job
        do throws(InvalidJob) {
            job = try parse(delivery, settings)
        } catch {
            return refuse(delivery, error, on: loop)
        }
        if !job.overruled.isEmpty { tellOverruled(job, of: delivery) }
        let isKnown = board.known(job.key) != nil
        let finished = FinishedDelivery(delivery, workerUser: host.user)
        if !isKnown, host.control.isFinished(job.key, finished) { return host.acknowledge(delivery.tag) }
        let execution = JobExecution(
            job: job, delivery: delivery, finished: finished, priority: host.priority(of: delivery), received: received,
            loop: loop, host: host, settings: settings)
        guard finished.deliveryCount > 0, !isKnown else { return sort(execution, isKnown: isKnown) }
        // Somebody else had it, and may be at it still.
        host.control.claim(job.key, attempt: execution.machine.attempt.value) {
            // What the other had begun stands in the journal, or it had not begun.
            self.host.journal.catchUp { loop.execute { self.claimed(execution) } }
        }
    }

    private func tellOverruled(_ job: Job, of delivery: Delivery) {
        host.logger.debug(
            "a property says something else than the job's body, which counts",
            metadata: [
                LogKey.job: "\(job.id)", LogKey.customer: "\(job.customer)",
                LogKey.overruled: "\(job.overruled.joined(separator: " "))", LogKey.queue: "\(delivery.queue)",
            ])
    }

    private func claimed(_ execution: JobExecution) {
        // Whoever had it may have answered the claim meanwhile.
        if isFinished(execution) { return host.acknowledge(execution.delivery.tag) }
        sort(execution, isKnown: false)
    }

    private func isFinished(_ execution: JobExecution) -> Bool {
        host.control.isFinished(execution.job.key, execution.finished)
    }

    private func sort(_ execution: JobExecution, isKnown: Bool) {
        if let queue = wayOn(execution.delivery, execution, isKnown: isKnown) {
            move(execution, to: queue)
        } else {
            prepare(execution)
        }
    }

    /// Where a job goes that shall not run here now.
    private func wayOn(_ delivery: Delivery, _ execution: JobExecution, isKnown: Bool) -> String? {
        let rest = execution.parked.remaining(now: host.wallClock().milliseconds)
        if !execution.isCancelled, let queue = host.waitingQueue(for: rest, &execution.parked) { return queue }
        // An earlier version's worker has set it apart; here suspects wait in the workers.
        if delivery.queue == host.names.suspect { return host.names.jobs }
        return !isKnown && execution.finished.deliveryCount >= Self.renewAfter ? delivery.queue : nil
    }

    private func prepare(_ execution: JobExecution) {
        let job = execution.job
        declaring(job.replyTo, of: job.customer, execution.settings, on: execution.loop) { self.admit(execution) }
    }

    /// Runs `body` on `loop` once the customer's default queue is there, where the worker declares such queues: before the
    /// first reply to it, of whatever kind.
    private func declaring(
        _ queue: String?, of customer: String?, _ settings: JobSettings, on loop: any EventLoop,
        _ body: @escaping @Sendable () -> Void
    ) {
        guard let declarer, let queue, let customer,
            queue == settings.parser.rules.replies.defaultQueue(of: customer), !declarer.isKnown(queue)
        else { return body() }
        declarer.declare(queue, on: loop, done: body)
    }

    private func parse(_ delivery: Delivery, _ settings: JobSettings) throws(InvalidJob) -> Job {
        let envelope = JobEnvelope(delivery, workerUser: host.user)
        guard !delivery.isOversize else {
            // Nothing of it is read but what the properties say.
            throw settings.parser.oversize(bytes: delivery.bodySize, envelope: envelope)
        }
        return try settings.parser.parse(body: delivery.body, envelope: envelope)
    }

    private func admit(_ execution: JobExecution) {
        switch board.admit(execution) {
        case .admitted: execution.loop.execute { self.enter(execution) }
        case .stale: break
        case .known(let known): known.loop.execute { self.rejoin(known, execution) }
        }
    }

    /// From its admission on it hears by itself what others say of it.
    private func enter(_ execution: JobExecution) {
        if execution.finished.deliveryCount > 0, isFinished(execution) { return execution.wasSeenThrough() }
        execution.enter()
    }

    /// On `known`'s loop.
    private func rejoin(_ known: JobExecution, _ newcomer: JobExecution) {
        if known.isOver {
            admit(newcomer)
        } else if known.isMoving {
            known.precede { self.admitAfter(known, newcomer) }
        } else if known.hasDelivery {
            if known.delivery.tag != newcomer.delivery.tag { known.join(newcomer.delivery.tag) }
        } else {
            switch known.adopt(newcomer) {
            case .adopted: break
            case .somebodyElses: admit(newcomer)
            case .another: known.precede { self.admitAfter(known, newcomer) }
            }
        }
    }

    private func admitAfter(_ known: JobExecution, _ newcomer: JobExecution) {
        // What moved the job may have been confirmed after all, and its ack lost.
        if isFinished(newcomer) { return host.acknowledge(newcomer.delivery.tag) }
        admit(newcomer)
    }

    // MARK: What is no job

    /// A message that is no job: answered where that may be, dead-lettered with the reason, acked.
    private func refuse(_ delivery: Delivery, _ invalid: InvalidJob, on loop: any EventLoop) {
        declaring(invalid.replyTo, of: invalid.customer, host.settings, on: loop) {
            self.answerRefusal(delivery, invalid)
        }
    }

    private func answerRefusal(_ delivery: Delivery, _ invalid: InvalidJob) {
        let finished = FinishedDelivery(delivery, workerUser: host.user)
        // Where it has no name its body stands for it.
        let key = JobKey(
            customer: invalid.customer ?? "", id: invalid.id ?? "\(String(finished.bodyHash, radix: 16))")
        // Its refusal was told, and the ack was lost.
        if host.control.isFinished(key, finished) { return host.acknowledge(delivery.tag) }
        host.counters.invalid.add(1, ordering: .relaxed)
        host.logger.warning(
            "job refused",
            metadata: [
                LogKey.job: "\(invalid.id ?? "")", LogKey.customer: "\(invalid.customer ?? "")",
                LogKey.errorCode: "\(invalid.code)", LogKey.errorField: "\(invalid.loggedField)",
                LogKey.error: "\(invalid.loggedReason)", LogKey.queue: "\(delivery.queue)",
            ])
        let failure = JobFailure(invalid)
        let attempt = Republication.attempt(of: delivery, workerUser: host.user)
        let ending = Ending(host: host, endings: endings, delivery: delivery, job: (key, finished))
        var messages: [DurableMessage] = []
        if let queue = invalid.replyTo {
            let address = ReplyAddress(
                queue: queue, job: invalid.id ?? "unknown", customer: invalid.customer ?? "",
                correlationID: invalid.id == nil ? nil : delivery.properties.correlationID,
                plan: host.configuration.plan)
            if let template = address.template(.error, attempt: attempt, run: RunID.make()) {
                let body = ResultWriter.error(failure, id: invalid.id, customer: invalid.customer, attempt: attempt)
                messages.append(
                    DurableMessage(
                        template: template, body: body, routing: address.tellsUnroutable ? .told : .ignored,
                        generation: delivery.tag.generation, isReply: true, settled: ending.receipt))
            }
        }
        let dead = try? Messages.dead(
            delivery, customer: invalid.customer, failure: failure, tries: 0, host: host, settled: ending.receipt)
        ending.publish(messages, dead, through: host.shards[0])
        if let id = invalid.id, let customer = invalid.customer {
            tellDead(JobKey(customer: customer, id: id), attempt, failure)
        }
    }

    private func tellDead(_ key: JobKey, _ attempt: AttemptNumber, _ failure: JobFailure) {
        let event = JobEvent.message(
            .dead, of: key, .init(attempt: attempt.value, queue: host.names.dead, failure: failure), host)
        if let event { host.shard(for: key).publish(event) }
    }

    /// What the broker gave up gets its terminal, webhook and usage event like any other job, then is dead-lettered.
    private func answerGivenUp(_ delivery: Delivery, on loop: any EventLoop) {
        let settings = host.settings
        let job: Job
        do throws(InvalidJob) {
            job = try parse(delivery, settings)
        } catch {
            return refuse(delivery, error, on: loop)
        }
        declaring(job.replyTo, of: job.customer, settings, on: loop) { self.answerGivenUp(delivery, job) }
    }

    private func answerGivenUp(_ delivery: Delivery, _ job: Job) {
        let finished = FinishedDelivery(delivery, workerUser: host.user)
        if host.control.isFinished(job.key, finished) { return host.acknowledge(delivery.tag) }
        host.counters.failed.add(1, ordering: .relaxed)
        let failure = JobFailure.givenUp(reason: delivery.properties.headers.string("x-first-death-reason"))
        // Higher than any attempt of this life of the message can have been.
        let attempt = AttemptNumber(
            republishes: Republication.count(of: delivery, workerUser: host.user), deliveryCount: 999, tryNumber: 999)
        let ending = Ending(host: host, endings: endings, delivery: delivery, job: (job.key, finished))
        let log = AnswerLog(defaults: .init(id: "", model: job.route.upstreamModel, created: 0))
        let killed = KilledAttempts(of: job, before: attempt, found: host.wallClock().milliseconds, host)
        let writer = ResultWriter(
            job: job, attempt: attempt, tries: 0, timings: JobTimings(), tokensWasted: 0,
            shown: Charge(nothingUnder: attempt, of: job.route, outcome: .failed), charges: killed.charges,
            costBefore: ParkedState(of: delivery, workerUser: host.user, now: 0).costBefore, log)
        let receipt = ending.receipt
        let terminal = JobEnding(
            host: host, job: job, outcome: .failed(failure), writer: writer, event: writer, eventLog: log,
            receipt: { _, settled in receipt(settled) }
        ).terminal(log, attempt: attempt, run: RunID.make(), of: delivery)
        let events = killed.events(host, settled: receipt)
        let dead = try? Messages.dead(
            delivery, customer: job.customer, failure: failure, tries: 0, host: host, settled: receipt)
        ending.publish(
            events + (terminal.reply.map { [$0] } ?? []) + terminal.companions, dead, through: host.shard(for: job.key))
        tellDead(job.key, attempt, failure)
    }

    /// A job goes on elsewhere: to where it waits on, or on a queue of jobs anew.
    private func move(_ execution: JobExecution, to queue: String) {
        let isBack = [host.names.jobsHigh, host.names.jobs, host.names.jobsLow].contains(queue)
        let ending = Ending(
            host: host, endings: endings, delivery: execution.delivery, job: (execution.job.key, execution.finished),
            place: isBack ? .handedBack : .parked)
        // One that still runs here has not been killed.
        let killed =
            board.known(execution.job.key) == nil
            ? KilledAttempts(
                of: execution.job, before: execution.machine.attempt, found: execution.arrived, host)
            : KilledAttempts.none
        execution.parked.costBefore = execution.parked.costBefore + killed.cost
        let message = try? Messages.republished(
            execution.delivery, to: queue, customer: execution.job.customer, host: host,
            adding: execution.parked.headers, settled: ending.receipt)
        ending.publish(
            killed.events(host, settled: ending.receipt), message, through: host.shard(for: execution.job.key))
        let event = JobEvent.message(
            isBack ? .handedBack : .parked, of: execution.job.key,
            .init(
                attempt: execution.machine.attempt.value, queue: queue,
                notBefore: isBack ? nil : execution.parked.notBefore), host)
        if let event { host.shard(for: execution.job.key).publish(event) }
    }
}

/// The end of a delivery that never became a job here: acked when every message of it is confirmed.
private final class Ending: Sendable {
    private let host: JobHost
    private let endings: PendingWork
    private let delivery: Delivery
    private let job: (key: JobKey, finished: FinishedDelivery)
    private let place: Failpoint
    private let receipts = Mutex(ReceiptCounter())

    init(
        host: JobHost, endings: PendingWork, delivery: Delivery, job: (key: JobKey, finished: FinishedDelivery),
        place: Failpoint = .deadLettered
    ) {
        self.host = host
        self.endings = endings
        self.delivery = delivery
        self.job = job
        self.place = place
    }

    var receipt: @Sendable (DurableMessage.Settlement) -> Void {
        { settlement in
            let (verdict, isLast) = self.receipts.withLock { ($0.settled(.end, settlement), $0.isEmpty) }
            guard isLast else { return }
            self.endings.leave()
            // The broker gives it out again.
            guard verdict == .finished else { return }
            self.place.hit()
            self.host.seenThrough(self.delivery.tag, self.job)
        }
    }

    /// - Parameter last: the message that keeps the delivery's body. Without it the delivery stays unacknowledged.
    func publish(_ messages: [DurableMessage], _ last: DurableMessage?, through shard: PublisherShard) {
        guard let last else {
            host.logger.error("a message cannot be moved", metadata: [LogKey.queue: "\(delivery.queue)"])
            return
        }
        receipts.withLock { _ = $0.sentEnd(messages.count + 1) }
        endings.enter()
        shard.publish(messages + [last])
    }
}
