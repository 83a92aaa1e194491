internal import ChatModel

/// An attempt that begins: what is reserved for it, and what must be known of it where its worker dies.
package struct AttemptStart: Sendable, Equatable {
    var key: JobKey
    /// Under which the gateway is asked. Its reply may end under a later one, where a publish connection is lost.
    var attempt: Int64
    /// Milliseconds since 1970.
    var began: Int64
    var reserved = Money.zero
    var gateway: String
    var model: String
    var price: Price?
    /// Estimated.
    var promptTokens: Int
    /// Of the answer: what the job asks for, else what is assumed, for all of its choices.
    var mostTokens: Int
    /// The process that runs it; no other one ever has this name.
    var worker = ""
    /// It is a suspect on trial: so many of them, itself among them, may run in that process when it begins. 0: it is none.
    var suspects = 0

    /// It is on trial, and no other suspect runs beside it.
    var isAlone: Bool { suspects == 1 }

    init(
        key: JobKey, attempt: Int64, began: Int64, reserved: Money = .zero, gateway: String, model: String,
        price: Price?, promptTokens: Int, mostTokens: Int
    ) {
        self.key = key
        self.attempt = attempt
        self.began = began
        self.reserved = reserved
        self.gateway = gateway
        self.model = model
        self.price = price
        self.promptTokens = promptTokens
        self.mostTokens = mostTokens
    }

    /// - Parameter route: of the model that is asked.
    init(_ job: Job, route: ModelRoute, attempt: Int64, assumedTokens: Int, now: Timestamp) {
        let (most, overflows) = (job.maximumTokens ?? assumedTokens).multipliedReportingOverflow(by: job.choiceCount)
        self.init(
            key: job.key, attempt: attempt, began: now.milliseconds, gateway: route.gateway,
            model: route.upstreamModel, price: route.price,
            promptTokens: TokenUsage.promptTokens(ofRequest: job.content.count), mostTokens: overflows ? .max : most)
        reserved = cost(completionTokens: mostTokens)
    }

    /// What it costs at most with so much of an answer.
    func cost(completionTokens: Int) -> Money {
        price?.mostCost(promptTokens: promptTokens, completionTokens: completionTokens) ?? .zero
    }

    /// Tokens of the answer after which `allowed` is used up.
    func tokens(within allowed: Money) -> Int {
        // The sums were rounded up: that must not cost a token.
        price?.completionTokens(within: allowed - cost(completionTokens: 0) + Money(billionths: 2)) ?? .max
    }
}

/// What one attempt used and cost.
package struct Charge: Sendable, Equatable {
    /// What became of an attempt, as usage events have it.
    package enum Outcome: String, Sendable {
        case completed, failed, cancelled
        /// Its text was thrown away: asked again, here or elsewhere.
        case discarded
        /// Its worker died.
        case killed
    }

    var attempt: Int64
    var gateway: String
    var model: String
    var price: Price?
    var usage: TokenUsage
    var outcome: Outcome

    /// `nil` where the model has no price.
    var cost: Money? {
        price?.cost(
            promptTokens: usage.promptTokens, completionTokens: usage.completionTokens,
            cachedTokens: usage.cachedTokens, cacheWriteTokens: usage.cacheWriteTokens)
    }

    init(_ start: AttemptStart, usage: TokenUsage, outcome: Outcome) {
        attempt = start.attempt
        gateway = start.gateway
        model = start.model
        price = start.price
        self.usage = usage
        self.outcome = outcome
    }

    /// The end of a job whose last attempt, if it had one, was accounted for before.
    init(nothingUnder attempt: AttemptNumber, of route: ModelRoute, outcome: Outcome) {
        self.attempt = attempt.value
        gateway = route.gateway
        model = route.upstreamModel
        price = route.price
        usage = .none
        self.outcome = outcome
    }
}
