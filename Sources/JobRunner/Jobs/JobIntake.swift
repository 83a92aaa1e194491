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
    private let parser: JobParser
    /// Where the config says that the worker declares reply queues.
    private let declarer: ReplyQueueDeclarer?
    private let nextLoop = Atomic<Int>(0)
    /// Endings that are no job's: refusals and given-up jobs on their way.
    private let endings = PendingWork()

    /// A job that was delivered so often (and returned) is tried alone.
    private static let suspectAfter = 2
    /// How long a job whose delivery was lost waits to be given back to this worker, once it consumes again.
    private static let adoptionTime = TimeAmount.seconds(60)

    init(host: JobHost, board: JobBoard, loops: [any EventLoop]) {
        self.host = host
        self.board = board
        self.loops = loops
        parser = JobParser(rules: host.configuration.rules)
        declarer = host.configuration.replyQueues.map {
            ReplyQueueDeclarer(plan: $0, broker: host.configuration.broker, logger: host.logger)
        }
    }

    // MARK: Consumer's thread

    func take(_ delivery: Delivery) {
        let received = NIODeadline.now().uptimeNanoseconds
        let loop = loops[nextLoop.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max % loops.count]
        loop.execute { self.accept(delivery, received: received, on: loop) }
    }

    func takeGivenUp(_ delivery: Delivery) {
        let loop = loops[nextLoop.wrappingAdd(1, ordering: .relaxed).oldValue & Int.max % loops.count]
        loop.execute { self.answerGivenUp(delivery) }
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

    /// Returns when every refusal is confirmed, or at `deadline`.
    func settled(before deadline: ContinuousClock.Instant) async { await endings.finished(before: deadline) }

    func shutdown() async { await declarer?.shutdown() }

    // MARK: Event loops

    private func accept(_ delivery: Delivery, received: UInt64, on loop: any EventLoop) {
        let job: Job
        do throws(InvalidJob) {
            job = try parse(delivery)
        } catch {
            return refuse(delivery, error)
        }
        let attempt = Republication.attempt(of: delivery, workerUser: host.user)
        // One that still streams here has killed nobody: it is only given back.
        if attempt.deliveryCount >= Self.suspectAfter, delivery.queue != host.names.suspect,
            board.known(job.key) == nil
        {
            return setApart(delivery, job)
        }
        let execution = JobExecution(
            job: job, delivery: delivery, priority: priority(of: delivery.queue), received: received, loop: loop,
            host: host, onFinished: { [weak self] in self?.finished($0) })
        guard let declarer, let queue = job.replyTo,
            queue == host.configuration.rules.replies.defaultQueue(of: job.customer),
            !declarer.isKnown(queue)
        else { return admit(execution) }
        declarer.declare(queue, on: loop) { self.admit(execution) }
    }

    private func parse(_ delivery: Delivery) throws(InvalidJob) -> Job {
        let envelope = JobEnvelope(delivery, workerUser: host.user)
        guard !delivery.isOversize else {
            // Nothing of it is read but what the properties say.
            throw parser.oversize(bytes: delivery.bodySize, envelope: envelope)
        }
        return try parser.parse(body: delivery.body, envelope: envelope)
    }

    private func admit(_ execution: JobExecution) {
        switch board.admit(execution) {
        case .start: execution.loop.execute { execution.begin() }
        case .waits: execution.loop.execute { execution.limitWait(to: self.host.configuration.maximumWait) }
        case .stale: break
        case .known(let known): known.loop.execute { self.rejoin(known, execution) }
        }
    }

    /// On `known`'s loop.
    private func rejoin(_ known: JobExecution, _ newcomer: JobExecution) {
        if known.isOver || (!known.hasDelivery && !known.adopt(newcomer.delivery)) {
            admit(newcomer)
        } else if known.delivery.tag != newcomer.delivery.tag {
            known.join(newcomer.delivery.tag)
        }
    }

    private func finished(_ execution: JobExecution) {
        guard let next = board.finished(execution, hadPlace: execution.hasPlace) else { return }
        next.loop.execute { next.begin() }
    }

    private func priority(of queue: String) -> Int {
        switch queue {
        case host.names.jobsHigh: 0
        case host.names.jobsLow: 2
        default: 1
        }
    }

    // MARK: What is no job

    /// A message that is no job: answered where that may be, dead-lettered with the reason, acked.
    private func refuse(_ delivery: Delivery, _ invalid: InvalidJob) {
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
        let ending = Ending(host: host, endings: endings, delivery: delivery)
        var messages: [DurableMessage] = []
        if let queue = invalid.replyTo {
            let address = ReplyAddress(
                queue: queue, job: invalid.id ?? "unknown", customer: invalid.customer ?? "",
                correlationID: invalid.id == nil ? nil : delivery.properties.correlationID,
                plan: host.configuration.plan)
            if let template = address.template(.error, attempt: attempt, run: RunID.make()) {
                var messageID = MessageIDWriter(job: address.job, attempt: attempt)
                messageID.write(0, to: template)
                let body = ResultWriter.error(failure, id: invalid.id, customer: invalid.customer, attempt: attempt)
                messages.append(
                    DurableMessage(
                        template: template, body: body, routing: address.tellsUnroutable ? .told : .ignored,
                        settled: ending.receipt))
            }
        }
        let dead = try? Messages.dead(
            delivery, customer: invalid.customer, failure: failure, tries: 0, host: host, settled: ending.receipt)
        ending.publish(messages, dead, through: host.shards[0])
    }

    /// What the broker gave up gets its terminal, webhook and usage event like any other job, then is dead-lettered.
    private func answerGivenUp(_ delivery: Delivery) {
        let job: Job
        do throws(InvalidJob) {
            job = try parse(delivery)
        } catch {
            return refuse(delivery, error)
        }
        host.counters.failed.add(1, ordering: .relaxed)
        let failure = JobFailure.givenUp(reason: delivery.properties.headers.string("x-first-death-reason"))
        // Higher than any attempt of this life of the message can have been.
        let attempt = AttemptNumber(
            republishes: Republication.count(of: delivery, workerUser: host.user), deliveryCount: 999, tryNumber: 999)
        let ending = Ending(host: host, endings: endings, delivery: delivery)
        let log = AnswerLog(defaults: .init(id: "", model: job.route.upstreamModel, created: 0))
        let writer = ResultWriter(job: job, attempt: attempt, tries: 0, timings: JobTimings(), tokensWasted: 0, log)
        let receipt = ending.receipt
        let terminal = JobEnding(
            host: host, job: job, outcome: .failed(failure), writer: writer, receipt: { _, settled in receipt(settled) }
        ).terminal(log, attempt: attempt, run: RunID.make())
        if let reply = terminal.reply {
            var messageID = MessageIDWriter(job: job.id, attempt: attempt)
            messageID.write(0, to: reply.template)
        }
        let dead = try? Messages.dead(
            delivery, customer: job.customer, failure: failure, tries: 0, host: host, settled: receipt)
        ending.publish(
            (terminal.reply.map { [$0] } ?? []) + terminal.companions, dead, through: host.shard(for: job.key))
    }

    /// A job that may have killed workers goes where jobs are tried alone.
    private func setApart(_ delivery: Delivery, _ job: Job) {
        let ending = Ending(host: host, endings: endings, delivery: delivery)
        let message = try? Messages.republished(
            delivery, to: host.names.suspect, customer: job.customer, host: host, settled: ending.receipt)
        ending.publish([], message, through: host.shard(for: job.key))
    }
}

/// The end of a delivery that never became a job: acked when every message of it is confirmed.
private final class Ending: Sendable {
    private let host: JobHost
    private let endings: PendingWork
    private let delivery: Delivery
    private let outstanding = Atomic<Int>(0)

    init(host: JobHost, endings: PendingWork, delivery: Delivery) {
        self.host = host
        self.endings = endings
        self.delivery = delivery
    }

    var receipt: @Sendable (DurableMessage.Settlement) -> Void {
        { _ in
            guard self.outstanding.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue == 0 else { return }
            self.host.acknowledge(self.delivery.tag)
            self.endings.leave()
        }
    }

    /// - Parameter last: the message that keeps the delivery's body. Without it the delivery stays unacknowledged.
    func publish(_ messages: [DurableMessage], _ last: DurableMessage?, through shard: PublisherShard) {
        guard let last else {
            host.logger.error("a message cannot be dead-lettered", metadata: [LogKey.queue: "\(delivery.queue)"])
            return
        }
        outstanding.store(messages.count + 1, ordering: .releasing)
        endings.enter()
        shard.publish(messages + [last])
    }
}
