extension WorkerConfiguration {
    /// `[jobs]`
    public struct Jobs: Sendable, Equatable {
        public var maximumBytes = 1 << 20
        /// Of the bodies of all jobs and webhook tasks that are held.
        public var maximumHeldBytes = 512 << 20
        /// Jobs that run at once.
        public var concurrency = 1_000
        public var prefetchFactor = 2.0
        public var deliveryLimit = 50
        public var hasPriorityQueues = true
        /// For models that `models` does not list; `nil` refuses them.
        public var defaultGateway: String?

        public init() {}

        /// Deliveries that the worker holds at once, running or waiting for their turn; 16 bits on the wire.
        public var prefetch: UInt16 {
            UInt16(clamping: Int((Double(concurrency) * prefetchFactor).rounded(.up)))
        }
    }

    /// `[customers]`
    public struct Customers: Sendable, Equatable {
        public enum Source: String, Sendable, CaseIterable {
            /// `job.customer` or the header `x-customer`.
            case job
            /// The AMQP property `user_id`, which the broker has checked.
            case userID = "user-id"
        }

        public var source = Source.job

        public init() {}
    }
}

extension WorkerConfiguration.Jobs: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "max_bytes", \.maximumBytes, .size(1_024...(128 << 20)),
            "Largest body of a job; a larger one is refused before it is parsed."),
        .init(
            "max_held_bytes", \.maximumHeldBytes, .size((16 << 20)...(64 << 30)),
            "Bodies of all jobs and webhook tasks held at once; what comes beyond waits on the broker."),
        .init(
            "concurrency", \.concurrency, .integer(1...60_000, of: "jobs"),
            "Jobs that run at once; each has a connection to the gateway, and so a file descriptor."),
        .init(
            "prefetch_factor", \.prefetchFactor, .number(1...100),
            "Jobs held for each one that runs, so that customers can take turns; the product is 65535 at most."),
        .init(
            "delivery_limit", \.deliveryLimit, .integer(5...10_000, of: "deliveries"),
            "After so many deliveries the broker gives a job up. Generous: one crash counts for every job of the worker."
        ),
        .init(
            "priorities", \.hasPriorityQueues, .flag, "Also take jobs from the queues for high and low priority."),
        .init(
            optional: "default_gateway", \.defaultGateway, .name(.label),
            "The gateway for models that no [models.NAME] lists; without it such jobs are invalid.",
            example: "\"main\""),
    ]
}

extension WorkerConfiguration.Customers: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "from", \.source, .choice(),
            "\"job\" believes the backend; \"user-id\" takes the broker-checked user of the message, one for each customer."
        )
    ]
}
