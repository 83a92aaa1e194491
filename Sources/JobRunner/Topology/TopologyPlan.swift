public import AMQP

/// Everything that the worker declares on the broker when it connects.
public struct TopologyPlan: Sendable, Equatable {
    public var names: QueueNames
    /// Times that the broker may return a job to its queue before it gives it up to `jobs.failed`.
    public var deliveryLimit: Int
    /// Likewise for what workers of earlier versions have set apart because it may have killed workers.
    public var suspectDeliveryLimit: Int
    /// Waits of the retry queues in milliseconds.
    public var jobRetryTiers: [Int64]
    public var webhookRetryTiers: [Int64]
    /// How long cancels and claims, and events, are kept; as RabbitMQ writes it (`7D`).
    public var controlMaximumAge: String
    public var journalMaximumAge: String
    /// A topic exchange for replies, where the config names one.
    public var replyExchange: String?

    public init(
        names: QueueNames = QueueNames(), deliveryLimit: Int = 50, suspectDeliveryLimit: Int = 3,
        jobRetryTiers: [Int64] = [1_000, 5_000, 30_000, 300_000, 1_800_000, 7_200_000],
        webhookRetryTiers: [Int64] = [5_000, 30_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000],
        controlMaximumAge: String = "7D", journalMaximumAge: String = "32D", replyExchange: String? = nil
    ) {
        self.names = names
        self.deliveryLimit = deliveryLimit
        self.suspectDeliveryLimit = suspectDeliveryLimit
        self.jobRetryTiers = jobRetryTiers
        self.webhookRetryTiers = webhookRetryTiers
        self.controlMaximumAge = controlMaximumAge
        self.journalMaximumAge = journalMaximumAge
        self.replyExchange = replyExchange
    }

    /// `nil` where it is not written in seconds or days.
    var journalAge: Duration? {
        guard let number = Int64(journalMaximumAge.dropLast()) else { return nil }
        switch journalMaximumAge.last {
        case "s": return .seconds(number)
        case "D": return .seconds(number.multipliedReportingOverflow(by: 86_400).partialValue)
        default: return nil
        }
    }

    public var topology: Topology {
        var topology = Topology()
        topology.exchanges = [
            .init(name: names.intake, kind: .direct), .init(name: names.events, kind: .topic),
            .init(name: names.back, kind: .direct),
        ]
        if let replyExchange { topology.exchanges.append(.init(name: replyExchange, kind: .topic)) }
        for (name, key) in [(names.jobs, "jobs"), (names.jobsHigh, "jobs.high"), (names.jobsLow, "jobs.low")] {
            topology.queues.append(.init(name: name, arguments: jobQueue(limit: deliveryLimit)))
            topology.bindings.append(.init(queue: name, exchange: names.intake, routingKey: key))
        }
        topology.queues += [
            .init(name: names.suspect, arguments: jobQueue(limit: suspectDeliveryLimit)),
            Self.unlimited(names.failed, Self.quorum),
            Self.unlimited(names.webhooks, Self.quorum),
            Self.unlimited(names.orderedWebhooks, Self.singleConsumer),
            .init(name: names.suspectWebhooks, arguments: Self.unlimited(Self.singleConsumer)),
            Self.unlimited(names.dead, Self.quorum),
            .init(name: names.control, arguments: Self.stream(maximumAge: controlMaximumAge)),
            .init(name: names.journal, arguments: Self.stream(maximumAge: journalMaximumAge)),
            .init(name: names.endpoints, arguments: Self.stream(maximumAge: journalMaximumAge)),
        ]
        topology.bindings += [
            .init(queue: names.failed, exchange: names.back, routingKey: names.failed),
            .init(queue: names.jobs, exchange: names.back, routingKey: names.jobs),
            .init(queue: names.webhooks, exchange: names.back, routingKey: names.webhooks),
            .init(queue: names.orderedWebhooks, exchange: names.back, routingKey: names.orderedWebhooks),
            .init(queue: names.control, exchange: names.intake, routingKey: "cancel"),
            .init(queue: names.journal, exchange: names.events, routingKey: "#"),
            .init(queue: names.endpoints, exchange: names.events, routingKey: "endpoint.#"),
        ]
        topology.queues += jobRetryTiers.map {
            .init(name: names.jobRetry(milliseconds: $0), arguments: waiting($0, backTo: names.jobs))
        }
        topology.queues += webhookRetryTiers.map {
            .init(name: names.webhookRetry(milliseconds: $0), arguments: waiting($0, backTo: names.webhooks))
        }
        topology.queues += webhookRetryTiers.map {
            .init(
                name: names.orderedRetry(milliseconds: $0), arguments: waiting($0, backTo: names.orderedWebhooks))
        }
        return topology
    }

    private static let quorum: FieldTable = ["x-queue-type": .string("quorum")]

    /// Returns of one message that a queue without a limit of its own outlives. RabbitMQ 4 gives a queue that says nothing
    /// a limit of 20, and drops what comes back more often; "none" cannot be said so that every version takes it.
    static let noDeliveryLimit: Int64 = 1_000_000_000

    /// Earlier versions declared these without a limit, which 3.x understood as none.
    private static func unlimited(_ name: String, _ arguments: FieldTable) -> Topology.Queue {
        .init(name: name, arguments: unlimited(arguments), formerArguments: arguments)
    }

    private static func unlimited(_ arguments: FieldTable) -> FieldTable {
        var limited = arguments
        limited["x-delivery-limit"] = .int(noDeliveryLimit)
        return limited
    }

    /// The broker gives all of it to one consumer, and to the next one when that is gone.
    private static let singleConsumer: FieldTable = [
        "x-queue-type": .string("quorum"), "x-single-active-consumer": .bool(true),
    ]

    /// At-least-once dead-lettering needs `reject-publish`; with `drop-head` the broker silently falls back
    /// (RabbitMQ, "Quorum Queues: Dead Lettering").
    private func deadLettering(to key: String) -> FieldTable {
        [
            "x-queue-type": .string("quorum"), "x-dead-letter-exchange": .string(names.back),
            "x-dead-letter-routing-key": .string(key), "x-dead-letter-strategy": .string("at-least-once"),
            "x-overflow": .string("reject-publish"),
        ]
    }

    private func jobQueue(limit: Int) -> FieldTable {
        var arguments = deadLettering(to: names.failed)
        arguments["x-delivery-limit"] = .int(Int64(limit))
        return arguments
    }

    private func waiting(_ milliseconds: Int64, backTo key: String) -> FieldTable {
        var arguments = deadLettering(to: key)
        arguments["x-message-ttl"] = .int(milliseconds)
        return arguments
    }

    private static func stream(maximumAge: String) -> FieldTable {
        [
            "x-queue-type": .string("stream"), "x-max-age": .string(maximumAge),
            // Age is enforced by whole segments only, so they must be small.
            "x-stream-max-segment-size-bytes": .int(16 << 20),
        ]
    }
}
