internal import AMQP
internal import ChatModel
internal import Logging
internal import Synchronization
internal import Webhooks

/// Delivers the tasks of the webhook queue: one try each, then the queue's TTL tiers hold what must be tried again.
/// Takes deliveries on the consumer's thread; tries run as tasks, away from the event loops of the token path.
final class WebhookRunner: Sendable {
    private let host: JobHost
    private let deliverer: WebhookDeliverer
    private let tiers: RetryTiers
    private let logger: Logger
    private let work = PendingWork()
    private let deliveredCount = Atomic<Int>(0)
    private let isDraining = Atomic<Bool>(false)

    init(host: JobHost, logger: Logger) throws {
        self.host = host
        self.logger = logger
        let sender = try WebhookSender(configuration: host.configuration.webhooks, logger: logger)
        deliverer = WebhookDeliverer(sender: sender, logger: logger)
        tiers = RetryTiers(host.configuration.plan.webhookRetryTiers.map { .milliseconds($0) })
    }

    var delivered: Int { deliveredCount.load(ordering: .relaxed) }
    var pending: Int { work.count }

    /// A task from the queue. Not acked, it comes again; so while the worker drains it is left alone.
    func take(_ delivery: Delivery) {
        guard !isDraining.load(ordering: .relaxed) else { return }
        guard isOwn(delivery) else {
            return bury(delivery, reason: "foreign_task", detail: "only workers may publish webhook tasks")
        }
        let task: WebhookTask
        do {
            task = try WebhookTask(headers: { Self.header(delivery, $0) }, body: delivery.body)
        } catch {
            return bury(delivery, reason: "malformed_task", detail: "\(error)")
        }
        let rest = task.remaining(now: host.wallClock().milliseconds)
        if tiers.tier(forRemaining: rest) != nil { return move(delivery, task, waiting: rest) }
        work.enter()
        // A child of nobody: `work` counts it, and a stop waits for it.
        Task {
            let result = await deliverer.submit(task)
            finish(delivery, task, result)
            work.leave()
        }
    }

    /// Lets tries under way end until `deadline`; then cuts them.
    func drain(until deadline: ContinuousClock.Instant) async {
        isDraining.store(true, ordering: .relaxed)
        await work.finished(before: deadline)
    }

    func shutdown() async { await deliverer.shutdown() }

    private func isOwn(_ delivery: Delivery) -> Bool { delivery.properties.userID == host.user }

    private static func header(_ delivery: Delivery, _ name: String) -> WebhookTask.HeaderValue? {
        switch delivery.properties.headers[name] {
        case .string(let text): .string(text)
        case .int(let number): .int(number)
        default: nil
        }
    }

    private func finish(_ delivery: Delivery, _ task: WebhookTask, _ result: WebhookDeliverer.Result) {
        switch result.decision {
        case .delivered:
            Failpoint.webhookPosted.hit()
            deliveredCount.add(1, ordering: .relaxed)
            host.acknowledge(delivery.tag)
        case .retry(let wait):
            let next = task.retrying(after: wait, now: host.wallClock().milliseconds)
            move(delivery, next, waiting: wait)
        case .dead(let reason):
            bury(delivery, reason: reason.rawValue, detail: result.outcome.detail, tries: task.tries + 1)
        case .handBack: break
        }
    }

    /// Publishes the task to where it waits, then acks what it was.
    private func move(_ delivery: Delivery, _ task: WebhookTask, waiting wait: Duration) {
        guard let tier = tiers.tier(forRemaining: wait) else {
            return publish(delivery, Result { try message(task, host.names.webhooks, delivery) })
        }
        let queue = host.names.webhookRetry(milliseconds: tier.milliseconds)
        publish(delivery, Result { try message(task.waiting(wait, in: tier), queue, delivery) })
    }

    private func bury(_ delivery: Delivery, reason: String, detail: String, tries: Int = 0) {
        let failure = JobFailure(
            type: "webhook_error", code: reason, message: detail, isRetryable: false, stage: .completing)
        logger.error(
            "webhook dead-lettered",
            metadata: [LogKey.webhook: "\(delivery.properties.messageID ?? "")", LogKey.errorCode: "\(reason)"])
        publish(
            delivery,
            Result {
                try Messages.dead(
                    delivery, customer: nil, failure: failure, tries: tries, host: host, settled: receipt(delivery))
            })
    }

    private func message(_ task: WebhookTask, _ queue: String, _ delivery: Delivery) throws -> DurableMessage {
        try Messages.webhook(
            task, queue: queue, user: host.user, generation: delivery.tag.generation, settled: receipt(delivery))
    }

    private func receipt(_ delivery: Delivery) -> @Sendable (DurableMessage.Settlement) -> Void {
        { settlement in
            if settlement != .void {
                Failpoint.webhookMoved.hit()
                self.host.acknowledge(delivery.tag)
            }
            self.work.leave()
        }
    }

    private func publish(_ delivery: Delivery, _ message: Result<DurableMessage, any Error>) {
        switch message {
        case .success(let message):
            work.enter()
            host.shards[0].publish(message)
        case .failure(let error):
            logger.error("a webhook task cannot be published", metadata: [LogKey.error: "\(error)"])
        }
    }
}
