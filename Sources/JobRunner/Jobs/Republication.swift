internal import AMQP
internal import ChatModel
internal import Webhooks

/// How a job's message is published again: handed back, parked, set apart or dead-lettered. The body stays untouched.
enum Republication {
    enum Header {
        /// Grows each time that a worker republishes the message; part of the attempt's number.
        static let count = "x-republished"
        /// The customer that was verified when the message first came; trusted under a worker's own `user_id` only.
        static let verifiedCustomer = "x-verified-customer"
        static let reason = "x-reason"
        static let reasonField = "x-reason-field"
        static let stage = "x-stage"
        /// Times that the gateway was asked.
        static let tries = "x-tries"
        /// Those of them that count against the retries.
        static let failedTries = "x-failed-tries"
        static let tokensWasted = "x-tokens-wasted"
        /// What attempts of earlier lives cost, in billionths of a USD.
        static let costBefore = "x-cost-before"
        /// When a worker saw the job first; milliseconds since 1970.
        static let firstReceived = "x-first-received"
        static let deadAt = "x-dead-at"
        static let originQueue = "x-origin-queue"
        /// Milliseconds since 1970 before which a job that waits shall not be tried again.
        static let notBefore = "x-not-before"
        /// Milliseconds of that wait which are left behind the waiting queue.
        static let waitLeft = "x-wait-left"
        /// Where `PREFIX.control` ended when a dead letter was replayed: only what stands behind it concerns the job.
        static let controlOffset = "x-control-offset"
        /// A table of the headers that are the sender's own. Under the worker's login none of them may stand where the broker
        /// or a reader would heed it: `CC` and `BCC` route, plugins know others, and the journal believes `x-attempt`.
        static let senders = "x-sender-headers"

        /// What only workers write. From anybody else it is dropped, and it is written anew at every republication.
        static let workers: Set<String> = [
            count, verifiedCustomer, reason, reasonField, stage, tries, failedTries, tokensWasted, costBefore,
            firstReceived,
            deadAt, originQueue, notBefore, waitLeft, controlOffset,
        ]
    }

    /// Properties for the next life of a message: what the broker counted on it stays behind (RabbitMQ would drop a
    /// later dead-letter cycle, or expire it again), and the publisher is this worker. Of its headers only those of `kept`
    /// stay in their place; all others, which the contracts do not know, go into one table.
    static func properties(
        of delivery: Delivery, customer: String?, workerUser: String, keeping kept: Set<String> = jobHeaders,
        adding: FieldTable = [:]
    ) -> MessageProperties {
        var properties = delivery.properties
        properties.userID = workerUser
        properties.expiration = nil
        // Quorum queues of RabbitMQ 4 heed it: nobody moves up by being moved.
        properties.priority = nil
        properties.isPersistent = true
        properties.headers = headers(of: delivery, workerUser: workerUser, keeping: kept)
        var headers = properties.headers
        headers[Header.count] = .int(nextCount(of: delivery, workerUser: workerUser))
        if let customer { headers[Header.verifiedCustomer] = .string(customer) }
        for (key, value) in adding { headers[key] = value }
        properties.headers = headers
        return properties
    }

    private static func headers(of delivery: Delivery, workerUser: String, keeping kept: Set<String>) -> FieldTable {
        var (own, senders): ([(key: String, value: FieldValue)], [(key: String, value: FieldValue)]) = ([], [])
        let isWorkers = delivery.properties.userID == workerUser
        for entry in delivery.properties.headers {
            if isWorkers, entry.key == Header.senders, case .table(let table) = entry.value {
                senders += table.entries
            } else if kept.contains(entry.key) {
                own.append(entry)
            } else if !isBrokers(entry.key), !Header.workers.contains(entry.key) {
                // What is trusted under the worker's login is not even kept: it is said anew by whoever republishes.
                senders.append(entry)
            }
        }
        if !senders.isEmpty { own.append((Header.senders, .table(FieldTable(uniquing: senders)))) }
        return FieldTable(uniquing: own)
    }

    /// Times that a worker has republished this message. A backend cannot raise it: it counts under a worker's login.
    static func count(of delivery: Delivery, workerUser: String) -> Int {
        guard delivery.properties.userID == workerUser else { return 0 }
        return Int(clamping: min(max(delivery.properties.headers.integer(Header.count) ?? 0, 0), 1_000_000_000))
    }

    /// One more, and one for each time that the message was given out again: a worker that dies between the copy's confirm
    /// and the ack leaves the message behind, and what is then made of it must come after its first copy.
    private static func nextCount(of delivery: Delivery, workerUser: String) -> Int64 {
        Int64(count(of: delivery, workerUser: workerUser)) + Int64(min(delivery.returns, 1_000_000)) + 1
    }

    /// The number of the first attempt within this delivery.
    static func attempt(of delivery: Delivery, workerUser: String) -> AttemptNumber {
        AttemptNumber(
            republishes: count(of: delivery, workerUser: workerUser),
            deliveryCount: delivery.returns, tryNumber: 1)
    }

    /// Leaves out what does not fit: foreign headers, and text over AMQP's 255 bytes (bytes that are not UTF-8 grow when
    /// they are replaced).
    static func shorten(_ properties: inout MessageProperties, keeping notes: FieldTable) {
        var headers = FieldTable()
        for (key, value) in properties.headers where contractHeaders.contains(key) || notes[key] != nil {
            if case .string(let text) = value, text.utf8.count > 4_096 { continue }
            headers[key] = value
        }
        properties.headers = headers
        func short(_ text: String?) -> String? { text.flatMap { $0.utf8.count <= 255 ? $0 : nil } }
        properties.contentType = short(properties.contentType)
        properties.contentEncoding = short(properties.contentEncoding)
        properties.correlationID = short(properties.correlationID)
        properties.replyTo = short(properties.replyTo)
        properties.messageID = short(properties.messageID)
        properties.type = short(properties.type)
        properties.appID = short(properties.appID)
    }

    /// Headers of a backend's own that mean something in a job.
    static let jobHeaders: Set<String> = [
        "x-customer", "x-profile", "x-webhook-url", "x-deadline", "traceparent", "tracestate",
    ]

    /// Headers that a job needs in its next life.
    static let contractHeaders: Set<String> = jobHeaders.union([Header.count, Header.verifiedCustomer])

    /// Headers that are a webhook task's own. What its tries have come to is said anew where it is moved.
    static let webhookHeaders: Set<String> = [
        WebhookTask.HeaderName.id, WebhookTask.HeaderName.url, WebhookTask.HeaderName.endpoint,
        WebhookTask.HeaderName.customer, WebhookTask.HeaderName.job, WebhookTask.HeaderName.attempt,
        WebhookTask.HeaderName.eventType, WebhookTask.HeaderName.tries, WebhookTask.HeaderName.createdAt,
        WebhookTask.HeaderName.history, WebhookTask.HeaderName.traceparent, WebhookTask.HeaderName.tracestate,
    ]

    static func isBrokers(_ key: String) -> Bool {
        key == "x-death" || key == "x-delivery-count" || key == "x-acquired-count" || key.hasPrefix("x-first-death-")
            || key.hasPrefix("x-last-death-")
    }
}
