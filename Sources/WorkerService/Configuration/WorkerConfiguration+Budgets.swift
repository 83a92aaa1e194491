extension WorkerConfiguration {
    /// `[budgets]`
    public struct Budgets: Sendable, Equatable {
        /// USD; 0: no limit.
        public var day = 0.0
        public var month = 0.0
        public var assumedTokens = 1_024
        /// By name.
        public var customers: [String: Customer] = [:]

        public init() {}

        /// `[budgets.customers.NAME]`
        public struct Customer: Sendable, Equatable {
            /// `nil`: that of `[budgets]`.
            public var day: Double?
            public var month: Double?

            public init() {}
        }
    }
}

extension WorkerConfiguration.Budgets: ConfigurationTable {
    private static let amount = ConfigurationValue<Double>.number(0...1_000_000_000, of: "USD")

    static let keys: [ConfigurationKey<Self>] = [
        .init("day", \.day, amount, "What a customer may spend in a day; 0 is no limit."),
        .init("month", \.month, amount, "What a customer may spend in a month; 0 is no limit."),
        .init(
            "assumed_tokens", \.assumedTokens, .integer(1...1_000_000, of: "tokens"),
            "Reserved for the answer of a job that says no max_tokens, and once more whenever that is used up."),
    ]

    static let sections: [ConfigurationSection<Self>] = [
        .init(
            each: "customers", \.customers, named: .customer, example: "acme",
            "A customer with budgets of his own.")
    ]
}

extension WorkerConfiguration.Budgets.Customer: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            optional: "day", \.day, .number(0...1_000_000_000, of: "USD"),
            "In a day; 0 is no limit, and without it budgets.day holds.", example: "5"),
        .init(
            optional: "month", \.month, .number(0...1_000_000_000, of: "USD"),
            "In a month; 0 is no limit, and without it budgets.month holds.", example: "100"),
    ]
}

extension WorkerConfiguration.Budgets {
    /// Somebody's spending is limited.
    var isLimited: Bool { limitsDays || limitsMonths }
    var limitsDays: Bool { day > 0 || customers.values.contains { $0.day ?? 0 > 0 } }
    var limitsMonths: Bool { month > 0 || customers.values.contains { $0.month ?? 0 > 0 } }
}

extension WorkerConfiguration {
    func budgetMistakes() -> [ConfigurationMistake] {
        guard budgets.isLimited else { return [] }
        var found: [ConfigurationMistake] = []
        let days = budgets.limitsMonths ? 32 : 2
        if broker.journalMaximumAge < .seconds(days * 86_400) {
            found.append(
                mistake(
                    at: ["broker", "journal_max_age"],
                    "is under \(days)d: what was spent in a \(budgets.limitsMonths ? "month" : "day") would be forgotten "
                        + "before it is over ([budgets])"))
        }
        for (name, model) in models.inOrder where model.inputPrice == nil && model.outputPrice == nil {
            found.append(
                mistake(.warning, at: ["models", name], "has no price: what it answers counts against no budget"))
        }
        if jobs.defaultGateway != nil {
            found.append(
                mistake(
                    .warning, at: ["jobs", "default_gateway"],
                    "models that are not listed have no price: what they answer counts against no budget"))
        }
        return found
    }
}
