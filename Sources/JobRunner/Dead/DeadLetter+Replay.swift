package import AMQP
package import ChatModel
internal import Webhooks

extension DeadLetter {
    /// Why a dead letter is not put back on its queue.
    package enum Obstacle: Sendable, Equatable, CustomStringConvertible {
        /// Put back under the worker's login it would be believed, signed and sent.
        case foreignTask
        /// Under the worker's login it would pass for a job of that login.
        case unknownCustomer
        case notWhole
        /// No queue of jobs or webhooks is its place.
        case internalMessage

        package var description: String {
            switch self {
            case .foreignTask: "no worker wrote this webhook task: replayed it would be signed and sent"
            case .unknownCustomer: "nobody has verified its customer (customers.from is \"user-id\")"
            case .internalMessage: "it is a message of the workers to themselves, which the broker did not take"
            case .notWhole: "its body is too large to be read whole"
            }
        }
    }

    package func obstacle(customers: JobRules.CustomerSource) -> Obstacle? {
        if !isWhole { return .notWhole }
        if isInternal { return .internalMessage }
        switch kind {
        // A worker that buries somebody else's task republishes it: the login alone does not tell.
        case .webhook: return isOwn && code != "foreign_task" ? nil : .foreignTask
        case .job: return customers == .userID && verifiedCustomer == nil ? .unknownCustomer : nil
        }
    }

    /// Where it goes back to. Never where jobs are tried alone or answered as given up: it starts anew.
    package func destination(_ names: QueueNames) -> String {
        switch kind {
        case .webhook:
            originQueue == names.orderedWebhooks || originQueue?.hasPrefix("\(names.orderedWebhooks).") ?? false
                ? names.orderedWebhooks : names.webhooks
        case .job:
            originQueue.flatMap { [names.jobs, names.jobsHigh, names.jobsLow].contains($0) ? $0 : nil } ?? names.jobs
        }
    }

    /// Its deadline has passed: the worker that takes it ends it at once.
    package func isTooLate(now: Timestamp) -> Bool { kind == .job && deadline.map { $0 <= now } ?? false }

    /// Properties of the message that goes back: what is its own stays, what a worker or the broker noted on it does not,
    /// and the count of republications grows, so that its attempts are higher than all before.
    ///
    /// - Parameters:
    ///   - controlOffset: where the control stream had come; a cancel behind it concerns the job, one before it does not.
    package func replayed(
        _ delivery: Delivery, workerUser: String, controlOffset: Int64?, now: Timestamp
    ) -> MessageProperties {
        var properties = Republication.properties(
            of: delivery, customer: kind == .job ? verifiedCustomer : nil, workerUser: workerUser,
            keeping: kind == .job ? Republication.jobHeaders : Republication.webhookHeaders)
        // Also where another login, an earlier one perhaps, counted: only workers write to this queue.
        properties.headers[Republication.Header.count] = .int(Int64(republished) + 1)
        var needed: FieldTable = [:]
        switch kind {
        case .job:
            if let controlOffset { needed[Republication.Header.controlOffset] = .int(controlOffset) }
        case .webhook:
            for (key, value) in properties.headers where Self.webhookHeaders.contains(key) { needed[key] = value }
            needed[WebhookTask.HeaderName.tries] = .int(0)
            needed[WebhookTask.HeaderName.notBefore] = .int(0)
            needed[WebhookTask.HeaderName.createdAt] = .int(now.milliseconds)
        }
        for (key, value) in needed { properties.headers[key] = value }
        if (try? PublishTemplate(exchange: "", routingKey: "", properties: properties)) == nil {
            Republication.shorten(&properties, keeping: needed)
        }
        return properties
    }

    /// What a task needs whose schedule starts anew.
    private static let webhookHeaders = Republication.webhookHeaders.subtracting([
        WebhookTask.HeaderName.tries, WebhookTask.HeaderName.createdAt, WebhookTask.HeaderName.history,
    ])

    /// Headers with a meaning in the contracts, which may be shown; any other is its sender's own text.
    package static let knownHeaders: Set<String> = Republication.contractHeaders.union(webhookHeaders)
        .union(Republication.Header.workers).union([
            WebhookTask.HeaderName.tries, WebhookTask.HeaderName.createdAt, "x-delivery-count", "x-acquired-count",
        ])
}
