/// A valid chat job: what to ask, of whom, and where the answer goes.
public struct Job: Sendable, Equatable {
    public var id: String
    public var customer: String
    /// The name that the backend used: a `[models.NAME]`, or the gateway's own name where a default gateway is set.
    public var model: String
    public var route: ModelRoute
    /// Who is asked instead, in this order, where `route` cannot answer.
    public var fallbacks: [RouteOption] = []
    /// Why `route` is not the one that the job names; `nil` where it is.
    public var fallback: Fallback?
    /// The request for the gateway: the job's body without `job`, with `stream` and what the profile adds.
    public var content: JobRequest
    /// `n` of the request, 1 by default.
    public var choiceCount: Int
    /// `max_tokens` (or `max_completion_tokens`) of the job, else of its profile.
    public var maximumTokens: Int?
    /// The reply queue (or, with a reply exchange, the customer's routing key); `nil` where only a webhook is wanted.
    public var replyTo: String?
    /// A URL or the name of an endpoint.
    public var webhook: String?
    /// Milliseconds since 1970 after which nobody wants the answer.
    public var deadline: Int64?
    /// The `metadata` object as it stood in the job.
    public var metadata: [UInt8]?
    public var correlationID: String?
    /// Of the backend.
    public var trace: TraceContext?
    /// Properties that say something else than the body, which counts: `message_id`, `reply_to`.
    public var overruled: [String] = []

    /// The bytes of `content`, made anew each time.
    public var request: [UInt8] { content.bytes }

    public var key: JobKey { JobKey(customer: customer, id: id) }
}

/// By what a job is known, everywhere.
public struct JobKey: Sendable, Hashable {
    public var customer: String
    public var id: String

    public init(customer: String, id: String) {
        self.customer = customer
        self.id = id
    }
}

/// Where a model is to be had, and what it costs.
public struct ModelRoute: Sendable, Equatable {
    public var gateway: String
    /// The name that the gateway knows.
    public var upstreamModel: String
    /// Whether the gateway knows `stream_options.include_usage`.
    public var includeUsage: Bool
    public var price: Price?
    /// Names of models that are asked instead, in this order, each followed by its own.
    public var fallbacks: [String]
    /// For which failures.
    public var fallbackCauses: Set<FallbackCause>
    /// Requests under way at once in one worker; `nil`: as many as there are.
    public var maximumInFlight: Int?
    /// What becomes of a request just before it is sent.
    public var shape: RequestShape
    /// In place of the gateway's.
    public var firstChunkTimeout: Duration?

    public init(
        gateway: String, upstreamModel: String, includeUsage: Bool = true, price: Price? = nil,
        fallbacks: [String] = [], fallbackCauses: Set<FallbackCause> = Set(FallbackCause.allCases),
        maximumInFlight: Int? = nil, shape: RequestShape = RequestShape(), firstChunkTimeout: Duration? = nil
    ) {
        self.gateway = gateway
        self.upstreamModel = upstreamModel
        self.includeUsage = includeUsage
        self.price = price
        self.fallbacks = fallbacks
        self.fallbackCauses = fallbackCauses
        self.maximumInFlight = maximumInFlight
        self.shape = shape
        self.firstChunkTimeout = firstChunkTimeout
    }
}

/// Ready-made settings that a job names: what the job says itself wins.
public struct Profile: Sendable, Equatable {
    public var model: String?
    public var maximumTokens: Int?
    public var temperature: Double?
    /// In place of those of the model.
    public var fallbacks: [String]?
    /// Members that a request has besides, if the job does not have them.
    public var extra: ExtraMembers

    public init(
        model: String? = nil, maximumTokens: Int? = nil, temperature: Double? = nil, fallbacks: [String]? = nil,
        extra: ExtraMembers = ExtraMembers()
    ) {
        self.model = model
        self.maximumTokens = maximumTokens
        self.temperature = temperature
        self.fallbacks = fallbacks
        self.extra = extra
    }
}

/// Prices in USD for a million tokens.
public struct Price: Sendable, Equatable {
    public var input: Double
    public var output: Double
    /// Of a prompt's tokens that the provider found in its cache; `nil`: they cost what `input` says.
    public var cachedInput: Double?
    /// Of a prompt's tokens that the provider wrote to its cache; `nil`: they cost what `input` says.
    public var cacheWrite: Double?

    public init(input: Double, output: Double, cachedInput: Double? = nil, cacheWrite: Double? = nil) {
        self.input = input
        self.output = output
        self.cachedInput = cachedInput
        self.cacheWrite = cacheWrite
    }
}
