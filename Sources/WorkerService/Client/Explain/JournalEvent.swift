package import AMQP
package import ChatModel

/// One event of `PREFIX.journal` that tells of a job. It has no text of prompts or answers to begin with.
package struct JournalEvent: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// A gateway is asked.
        case started(gateway: String, model: String)
        /// An attempt ended: `completed`, `failed`, `cancelled`, `discarded`, `killed`.
        case usage(Usage)
        /// `parked`, `handed_back`, `set_apart`, `dead`.
        case moved(state: String, queue: String, notBefore: Timestamp?, error: Failure?)
        /// `delivered`, `retrying`, `dead`.
        case webhook(Webhook)
        /// A cancel of this id concerns an earlier job.
        case cancelIgnored(reason: String)
    }

    package struct Usage: Sendable, Equatable {
        package var outcome: String
        package var gateway = ""
        package var model = ""
        package var attempts = 0
        package var cost: Money?
        package var promptTokens = 0
        package var completionTokens = 0
        package var isEstimated = false
        package var queuedMilliseconds: Double?
        package var firstTokenMilliseconds: Double?
        package var totalMilliseconds: Double?
        package var error: Failure?
        /// Of the task that was queued with the job's end.
        package var webhookID: String?

        package var isLast: Bool { outcome != "discarded" && outcome != "killed" }
    }

    package struct Failure: Sendable, Equatable {
        package var code: String
        package var stage: String
        package var isRetryable = false
    }

    package struct Webhook: Sendable, Equatable {
        package var state: String
        package var id = ""
        package var endpoint = ""
        package var tries = 0
        package var status: Int?
        package var reason: String?
        package var next: Timestamp?
    }

    package var kind: Kind
    package var customer: String
    package var attempt: Int64
    package var time: Timestamp
    package var worker: String?

    package init(kind: Kind, customer: String, attempt: Int64, time: Timestamp, worker: String? = nil) {
        self.kind = kind
        self.customer = customer
        self.attempt = attempt
        self.time = time
        self.worker = worker
    }

    /// `nil` for events of other jobs, and for what no worker has written.
    package init?(_ delivery: Delivery, job: String, workerUser: String) {
        let properties = delivery.properties
        guard properties.userID == workerUser, !delivery.isOversize else { return nil }
        // A long journal is read by headers: bodies are parsed of the one job only.
        if let named = properties.headers.string("x-job") {
            guard named == job else { return nil }
        } else if properties.type != "webhook" {
            return nil
        }
        guard let body = try? JSONValue(parsing: delivery.body) else { return nil }
        let headers = properties.headers
        let block = body["job"]
        guard block?["id"]?.stringValue ?? block?.stringValue == job,
            let customer = headers.string("x-customer") ?? body["customer"]?.stringValue,
            let time = (body["timestamp"] ?? body["time"])?.stringValue.flatMap(Timestamp.init(rfc3339:)),
            let kind = Self.kind(properties.type ?? "", body)
        else { return nil }
        let attempt = headers.integer("x-attempt") ?? Int64((body["attempt"] ?? block?["attempt"])?.integerValue ?? 0)
        self.init(
            kind: kind, customer: customer, attempt: attempt, time: time, worker: body["worker"]?.stringValue)
    }

    private static func kind(_ type: String, _ body: JSONValue) -> Kind? {
        switch type {
        case "job.started":
            .started(gateway: body["gateway"]?.stringValue ?? "", model: body["model"]?.stringValue ?? "")
        case "usage": .usage(usage(body))
        case "job.parked", "job.handed_back", "job.set_apart", "job.dead":
            .moved(
                state: String(type.dropFirst(4)), queue: body["queue"]?.stringValue ?? "",
                notBefore: instant(body["not_before"]), error: failure(body["error"]))
        case "job.cancel_ignored": .cancelIgnored(reason: body["reason"]?.stringValue ?? "")
        case "webhook": webhook(body).map { .webhook($0) }
        default: nil
        }
    }

    private static func usage(_ body: JSONValue) -> Usage {
        let (job, usage, timings) = (body["job"], body["usage"], body["job"]?["timings"])
        return Usage(
            outcome: body["outcome"]?.stringValue ?? "", gateway: body["gateway"]?.stringValue ?? "",
            model: job?["model"]?.stringValue ?? "", attempts: job?["attempts"]?.integerValue ?? 0,
            cost: job?["cost"]?["amount"]?.doubleValue.map { Money(usd: $0) },
            promptTokens: usage?["prompt_tokens"]?.integerValue ?? 0,
            completionTokens: usage?["completion_tokens"]?.integerValue ?? 0,
            isEstimated: job?["usage_source"]?.stringValue == "estimated",
            queuedMilliseconds: timings?["queued_ms"]?.doubleValue,
            firstTokenMilliseconds: timings?["first_token_ms"]?.doubleValue,
            totalMilliseconds: timings?["total_ms"]?.doubleValue, error: failure(body["error"]),
            webhookID: body["webhook_id"]?.stringValue)
    }

    private static func webhook(_ body: JSONValue) -> Webhook? {
        guard let type = body["type"]?.stringValue, type.hasPrefix("webhook.") else { return nil }
        return Webhook(
            state: String(type.dropFirst(8)), id: body["webhook_id"]?.stringValue ?? "",
            endpoint: body["endpoint"]?.stringValue ?? "", tries: body["tries"]?.integerValue ?? 0,
            status: body["status"]?.integerValue, reason: body["reason"]?.stringValue, next: instant(body["next"]))
    }

    private static func failure(_ value: JSONValue?) -> Failure? {
        guard let code = value?["code"]?.stringValue else { return nil }
        return Failure(
            code: code, stage: value?["stage"]?.stringValue ?? "", isRetryable: value?["retryable"] == .bool(true))
    }

    private static func instant(_ value: JSONValue?) -> Timestamp? {
        value?.stringValue.flatMap(Timestamp.init(rfc3339:))
    }
}
