internal import AMQP
internal import ChatModel
internal import Logging
internal import Webhooks

/// Where a task goes that is not delivered: to wait, or to the dead-letter queue. Its next place is confirmed, then it is acked.
extension WebhookRunner {
    /// To the dead-letter queue, with all that is known of its tries.
    func giveUp(
        _ delivery: Delivery, _ task: WebhookTask, _ reason: WebhookDelivery.DeadReason,
        _ result: WebhookDeliverer.Result? = nil
    ) {
        // A task that was not tried at last has no record of it.
        let record = result.flatMap { $0.outcome.kind.isTry ? $0.record : nil }
        let tries = task.tries + (record == nil ? 0 : 1)
        defer { follow(order.done(task)) }
        tell(.dead, task, tries: tries, record?.status, reason.rawValue)
        var notes: FieldTable = [WebhookTask.HeaderName.history: .string(task.historyHeader(adding: record))]
        var detail = result?.outcome.detail ?? ""
        if reason == .workersDied { detail = "workers died while they posted it, also when it was tried alone" }
        if delivery.queue == host.names.suspectWebhooks, isOrdered(delivery, task) {
            // Where it goes back to if it is replayed.
            notes[Republication.Header.originQueue] = .string(host.names.orderedWebhooks)
        }
        bury(delivery, reason: reason.rawValue, detail: detail, tries: tries, adding: notes)
    }

    func tell(
        _ state: WebhookEvent.State, _ task: WebhookTask, tries: Int? = nil, _ status: Int?, _ reason: String?,
        next: Timestamp? = nil
    ) {
        let event = WebhookEvent.message(
            state, of: task, tries: tries ?? task.tries + 1, status: status, reason: reason, next: next,
            time: host.wallClock(), host: host)
        if let event { host.shards[0].publish(event) }
    }

    /// Publishes the task to where it waits, then acks what it was.
    func move(_ delivery: Delivery, _ task: WebhookTask, waiting wait: Duration) {
        let isOrdered = isOrdered(delivery, task)
        guard let tier = tiers.tier(forRemaining: wait) else {
            return move(delivery, task, to: isOrdered ? host.names.orderedWebhooks : host.names.webhooks)
        }
        let queue =
            isOrdered
            ? host.names.orderedRetry(milliseconds: tier.milliseconds)
            : host.names.webhookRetry(milliseconds: tier.milliseconds)
        move(delivery, task.waiting(wait, in: tier), to: queue)
    }

    func move(_ delivery: Delivery, _ task: WebhookTask, to queue: String) {
        publish(delivery, Result { try message(task, queue, delivery) })
    }

    func bury(_ delivery: Delivery, reason: String, detail: String, tries: Int = 0, adding: FieldTable = [:]) {
        let failure = JobFailure(
            type: "webhook_error", code: reason, message: detail, isRetryable: false, stage: .completing)
        logger.error(
            "webhook dead-lettered",
            metadata: [LogKey.webhook: "\(delivery.properties.messageID ?? "")", LogKey.errorCode: "\(reason)"])
        publish(
            delivery,
            Result {
                try Messages.dead(
                    delivery, customer: nil, failure: failure, tries: tries, host: host, adding: adding,
                    settled: receipt(delivery))
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
