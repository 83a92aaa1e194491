extension WorkerConfiguration {
    /// `[fairness]`
    public struct Fairness: Sendable, Equatable {
        /// Jobs of one customer that run at once; 0: no cap.
        public var customerConcurrency = 0
        /// By name.
        public var customers: [String: Customer] = [:]

        public init() {}

        /// `[fairness.customers.NAME]`
        public struct Customer: Sendable, Equatable {
            public var weight = 1
            /// `nil`: that of `[fairness]`.
            public var concurrency: Int?

            public init() {}
        }
    }
}

extension WorkerConfiguration.Fairness: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "customer_concurrency", \.customerConcurrency, .integer(0...60_000, of: "jobs"),
            "Jobs of one customer that run at once in this worker; 0 is no cap beyond jobs.concurrency.")
    ]

    static let sections: [ConfigurationSection<Self>] = [
        .init(
            each: "customers", \.customers, named: .customer, example: "acme",
            "A customer with a share of his own.")
    ]
}

extension WorkerConfiguration.Fairness.Customer: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "weight", \.weight, .integer(1...1_000, of: "weight"),
            "Tokens for each one of a customer of weight 1, while both have jobs waiting."),
        .init(
            optional: "concurrency", \.concurrency, .integer(0...60_000, of: "jobs"),
            "Jobs of this customer that run at once; 0 is no cap, and without it customer_concurrency holds.",
            example: "20"),
    ]
}
