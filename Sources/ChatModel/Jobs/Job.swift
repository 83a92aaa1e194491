/// A valid chat job: what to ask, of whom, and where the answer goes.
public struct Job: Sendable, Equatable {
    public var id: String
    public var customer: String
    /// The name that the backend used: a `[models.NAME]`, or the gateway's own name where a default gateway is set.
    public var model: String
    public var route: ModelRoute
    /// The request for the gateway: the job's body without `job`, with `stream` and what the profile adds.
    public var request: [UInt8]
    /// `n` of the request, 1 by default.
    public var choiceCount: Int
    /// The reply queue (or, with a reply exchange, the customer's routing key); `nil` where only a webhook is wanted.
    public var replyTo: String?
    /// A URL or the name of an endpoint.
    public var webhook: String?
    /// Milliseconds since 1970 after which nobody wants the answer.
    public var deadline: Int64?
    /// The `metadata` object as it stood in the job.
    public var metadata: [UInt8]?
    public var correlationID: String?
    public var traceparent: String?

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

    public init(gateway: String, upstreamModel: String, includeUsage: Bool = true, price: Price? = nil) {
        self.gateway = gateway
        self.upstreamModel = upstreamModel
        self.includeUsage = includeUsage
        self.price = price
    }
}

/// Ready-made settings that a job names: what the job says itself wins.
public struct Profile: Sendable, Equatable {
    public var model: String?
    public var maximumTokens: Int?
    public var temperature: Double?

    public init(model: String? = nil, maximumTokens: Int? = nil, temperature: Double? = nil) {
        self.model = model
        self.maximumTokens = maximumTokens
        self.temperature = temperature
    }
}

/// Prices in USD for a million tokens.
public struct Price: Sendable, Equatable {
    public var input: Double
    public var output: Double

    public init(input: Double, output: Double) {
        self.input = input
        self.output = output
    }

    /// USD.
    public func cost(promptTokens: Int, completionTokens: Int) -> Double {
        (Double(promptTokens) * input + Double(completionTokens) * output) / 1_000_000
    }
}
