internal import AMQP
internal import ChatModel

/// Where a job's replies go, and what is said on each of them.
struct ReplyAddress: Sendable {
    var exchange: String
    var routingKey: String
    var job: String
    var customer: String
    var correlationID: String?
    var trace: TraceContext?
    /// The broker tells whether a queue took a message. Not asked of direct reply-to, where the answer means nothing.
    var tellsUnroutable: Bool

    /// Positions of the integer headers in a template.
    enum Header { static let attempt = 0, sequence = 1, offset = 2 }

    enum Kind: String {
        case chunk = "chat.completion.chunk"
        case reset = "chat.completion.reset"
        case completion = "chat.completion"
        case error = "error"
    }

    /// Its `message_id` is `JOB/ATTEMPT/SEQ`, SEQ being 0 until it is numbered. `nil` where a name is too long for AMQP; the
    /// lengths were checked when the job was read.
    func template(_ kind: Kind, attempt: AttemptNumber, run: String) -> PublishTemplate? {
        var headers: FieldTable = [
            "x-job": .string(job), "x-customer": .string(customer), "x-run": .string(run),
        ]
        if let trace { headers.add(trace) }
        let isTerminal = kind == .completion || kind == .error
        let template = try? PublishTemplate(
            exchange: exchange, routingKey: routingKey,
            properties: MessageProperties(
                contentType: "application/json", headers: headers, isPersistent: isTerminal,
                correlationID: correlationID, messageID: "\(job)/\(attempt.value)/", type: kind.rawValue),
            integerHeaders: ["x-attempt", "x-seq", "x-offset"], numbersMessageID: true)
        template?.setInteger(Header.attempt, attempt.value)
        template?.numberMessageID(0)
        return template
    }
}

extension ReplyAddress {
    /// Where a job's replies go; `nil` where it wants none.
    init?(_ job: Job, _ plan: TopologyPlan) {
        guard let queue = job.replyTo else { return nil }
        self.init(
            queue: queue, job: job.id, customer: job.customer, correlationID: job.correlationID,
            trace: job.trace, plan: plan)
    }

    init(
        queue: String, job: String, customer: String, correlationID: String?, trace: TraceContext? = nil,
        plan: TopologyPlan
    ) {
        let isDirect = queue.hasPrefix(ReplyRules.directReplyToPrefix)
        let exchange = isDirect ? nil : plan.replyExchange
        self.init(
            exchange: exchange ?? "", routingKey: exchange == nil ? queue : customer, job: job, customer: customer,
            correlationID: correlationID, trace: trace, tellsUnroutable: !isDirect)
    }
}

extension FieldTable {
    /// The headers of W3C Trace Context.
    mutating func add(_ trace: TraceContext) {
        self["traceparent"] = .string(trace.traceparent)
        if !trace.tracestate.isEmpty { self["tracestate"] = .string(trace.tracestate) }
    }
}
