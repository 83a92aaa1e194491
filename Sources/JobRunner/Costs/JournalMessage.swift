package import AMQP
package import ChatModel

/// What the ledgers of all workers read in `PREFIX.journal`. It stands in the headers of events, so that no body is parsed
/// where a month of them is read.
package enum JournalMessage: Sendable, Equatable {
    /// `job.started.CUSTOMER`
    case started(AttemptStart)
    /// `usage.CUSTOMER`
    case spent(JobKey, attempt: Int64, cost: Money, time: Int64, outcome: Charge.Outcome? = nil)
    /// `job.dead.CUSTOMER` of a job that was given up because workers died with it.
    case convicted(JobKey)
    /// A worker's own mark: when it is read, all that was written before has been.
    case sync(String)

    enum Header {
        static let job = "x-job"
        static let customer = "x-customer"
        static let attempt = "x-attempt"
        /// Milliseconds since 1970.
        static let time = "x-time"
        /// Billionths of a USD.
        static let cost = "x-cost"
        static let reserved = "x-reserved"
        /// Billionths of a USD for a million tokens.
        static let inputPrice = "x-input-price"
        static let outputPrice = "x-output-price"
        static let cachedInputPrice = "x-cached-input-price"
        static let cacheWritePrice = "x-cache-write-price"
        static let promptTokens = "x-prompt-tokens"
        static let mostTokens = "x-most-tokens"
        static let gateway = "x-gateway"
        static let model = "x-model"
        /// The process that runs an attempt.
        static let worker = "x-worker"
        /// How many suspects might run there when it began on trial.
        static let suspects = "x-suspects"
        /// What became of an attempt.
        static let outcome = "x-outcome"
        /// Why a job is dead.
        static let code = "x-code"
    }

    enum Kind {
        static let started = "job.started"
        static let usage = "usage"
        static let dead = "job.dead"
        static let sync = "sync"
    }

    /// `nil` for what is no business of the ledger, and for what no worker has written.
    package init?(_ delivery: Delivery, workerUser: String) {
        let properties = delivery.properties
        guard properties.userID == workerUser else { return nil }
        let headers = properties.headers
        if properties.type == Kind.sync {
            self = .sync(properties.messageID ?? "")
            return
        }
        guard let customer = headers.string(Header.customer), let id = headers.string(Header.job),
            let attempt = headers.integer(Header.attempt), let time = headers.integer(Header.time).map({ max(0, $0) })
        else { return nil }
        let key = JobKey(customer: customer, id: id)
        switch properties.type {
        case Kind.usage:
            let cost = Money(billionths: max(0, headers.integer(Header.cost) ?? 0))
            self = .spent(
                key, attempt: attempt, cost: cost, time: time,
                outcome: headers.string(Header.outcome).flatMap { Charge.Outcome(rawValue: $0) })
        case Kind.dead where headers.string(Header.code) == JobFailure.workersDied.code: self = .convicted(key)
        case Kind.started:
            self = .started(Self.start(key, attempt, time, headers))
        default: return nil
        }
    }

    private static func start(
        _ key: JobKey, _ attempt: Int64, _ time: Int64, _ headers: FieldTable
    ) -> AttemptStart {
        func count(_ name: String) -> Int64 { max(0, headers.integer(name) ?? 0) }
        var price: Price?
        if let input = headers.integer(Header.inputPrice), let output = headers.integer(Header.outputPrice) {
            func usd(_ name: String) -> Double? { headers.integer(name).map { Double($0) / 1e9 } }
            price = Price(
                input: Double(input) / 1e9, output: Double(output) / 1e9,
                cachedInput: usd(Header.cachedInputPrice), cacheWrite: usd(Header.cacheWritePrice))
        }
        var start = AttemptStart(
            key: key, attempt: attempt, began: time, reserved: Money(billionths: count(Header.reserved)),
            gateway: headers.string(Header.gateway) ?? "", model: headers.string(Header.model) ?? "", price: price,
            promptTokens: Int(clamping: count(Header.promptTokens)), mostTokens: Int(clamping: count(Header.mostTokens))
        )
        start.worker = headers.string(Header.worker) ?? ""
        start.suspects = Int(clamping: count(Header.suspects))
        return start
    }

    // MARK: Writing

    /// Headers of the event that an attempt has begun.
    static func headers(_ start: AttemptStart) -> FieldTable {
        var headers: FieldTable = [
            Header.job: .string(start.key.id), Header.customer: .string(start.key.customer),
            Header.attempt: .int(start.attempt), Header.time: .int(start.began),
            Header.gateway: .string(start.gateway), Header.model: .string(start.model),
            Header.promptTokens: .int(Int64(start.promptTokens)), Header.mostTokens: .int(Int64(start.mostTokens)),
        ]
        if !start.worker.isEmpty { headers[Header.worker] = .string(start.worker) }
        if start.suspects > 0 { headers[Header.suspects] = .int(Int64(start.suspects)) }
        if let price = start.price {
            headers[Header.reserved] = .int(start.reserved.billionths)
            headers[Header.inputPrice] = .int(Money(usd: price.input).billionths)
            headers[Header.outputPrice] = .int(Money(usd: price.output).billionths)
            if let cached = price.cachedInput { headers[Header.cachedInputPrice] = .int(Money(usd: cached).billionths) }
            if let write = price.cacheWrite { headers[Header.cacheWritePrice] = .int(Money(usd: write).billionths) }
        }
        return headers
    }

    /// Headers of a usage event.
    static func headers(_ key: JobKey, _ charge: Charge, time: Timestamp) -> FieldTable {
        var headers: FieldTable = [
            Header.job: .string(key.id), Header.customer: .string(key.customer),
            Header.attempt: .int(charge.attempt), Header.time: .int(time.milliseconds),
            Header.outcome: .string(charge.outcome.rawValue),
        ]
        if let cost = charge.cost { headers[Header.cost] = .int(cost.billionths) }
        return headers
    }

    /// A mark for the end of the journal, straight to its queue.
    static func mark(
        _ mark: String, queue: String, user: String, settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) -> DurableMessage? {
        let properties = MessageProperties(
            contentType: "application/json", isPersistent: true, messageID: mark, type: Kind.sync, userID: user)
        return try? Messages.toQueue(queue, properties, body: Array("{}".utf8), settled: settled)
    }
}
