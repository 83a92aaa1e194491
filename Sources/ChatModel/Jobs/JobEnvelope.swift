/// What a job's message carries beside its body: the AMQP properties and headers that the contract gives a meaning.
/// Built by the layer that knows AMQP.
public struct JobEnvelope: Sendable {
    public var messageID: String?
    public var correlationID: String?
    public var replyTo: String?
    public var contentEncoding: String?
    /// The property that the broker has checked against the publisher's login.
    public var userID: String?
    /// Headers `x-customer`, `x-profile`, `x-webhook-url`, `x-deadline`.
    public var customer: String?
    public var profile: String?
    public var webhook: String?
    public var deadline: String?
    /// Headers `traceparent` and `tracestate`, where they are well formed.
    public var trace: TraceContext?
    /// A header of these names that is not a string; named in the refusal.
    public var mistypedHeader: String?
    /// The property of that name.
    public var priority: UInt8?
    /// The customer whom a worker verified before it republished this message (`x-verified-customer`, trusted only
    /// under a worker's own `user_id`).
    public var verifiedCustomer: String?

    public init(
        messageID: String? = nil, correlationID: String? = nil, replyTo: String? = nil, contentEncoding: String? = nil,
        userID: String? = nil, customer: String? = nil, profile: String? = nil, webhook: String? = nil,
        deadline: String? = nil, trace: TraceContext? = nil, mistypedHeader: String? = nil,
        verifiedCustomer: String? = nil, priority: UInt8? = nil
    ) {
        self.messageID = messageID
        self.correlationID = correlationID
        self.replyTo = replyTo
        self.contentEncoding = contentEncoding
        self.userID = userID
        self.customer = customer
        self.profile = profile
        self.webhook = webhook
        self.deadline = deadline
        self.trace = trace
        self.mistypedHeader = mistypedHeader
        self.verifiedCustomer = verifiedCustomer
        self.priority = priority
    }
}

/// Why a message is no job. `reason` never quotes the job's text.
public struct InvalidJob: Error, Sendable, Equatable {
    /// The field at fault, as a backend engineer would write it: `job.id`, `reply_to`, `messages`, `body`.
    public var field: String
    public var reason: String
    /// `invalid_job`, or `reply_queue_forbidden`.
    public var code: String
    /// What could be told of the job, so that its sender can be answered.
    public var id: String?
    public var customer: String?
    /// Only a queue that this customer may be answered on.
    public var replyTo: String?

    public init(field: String, reason: String, code: String = "invalid_job") {
        self.field = field
        self.reason = reason
        self.code = code
    }
}
