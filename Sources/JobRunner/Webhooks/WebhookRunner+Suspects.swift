internal import AMQP
internal import Webhooks

/// Tasks that came back too often.
extension WebhookRunner {
    /// - Returns: whether it may be posted here and now; if not, it is on its way elsewhere.
    func passesQuarantine(_ delivery: Delivery, _ task: WebhookTask) -> Bool {
        let isAlone = delivery.queue == host.names.suspectWebhooks
        let verdict = quarantine.withLock {
            $0.verdict("\(task.id)/\(task.attempt)", returns: delivery.returns, isAlone: isAlone)
        }
        switch verdict {
        case .post: return true
        case .setAside: setAside(delivery, task)
        case .giveUp: giveUp(delivery, task, .workersDied)
        }
        return false
    }

    /// To be tried alone. Where order counts it keeps its place before those that come later; the queue of suspects is
    /// consumed by one worker, one at a time and in order, usually the same.
    private func setAside(_ delivery: Delivery, _ task: WebhookTask) {
        logger.warning(
            "webhook is tried alone: workers were lost while they had it", metadata: [LogKey.webhook: "\(task.id)"])
        if isOrdered(delivery, task) { follow(order.setAside(task, now: host.wallClock().milliseconds)) }
        move(delivery, task, to: host.names.suspectWebhooks)
    }

    /// Whether it is one of those that go to their customer one after another.
    func isOrdered(_ delivery: Delivery, _ task: WebhookTask) -> Bool {
        switch delivery.queue {
        case host.names.orderedWebhooks: true
        case host.names.suspectWebhooks: deliverer.sender.policy.options(of: task.target).ordering != .none
        default: false
        }
    }
}
