public import ChatModel

/// How much customers may spend in a day and in a month. Days and months are those of UTC.
public struct BudgetPolicy: Sendable, Equatable {
    /// `nil`: no limit.
    public struct Limits: Sendable, Equatable {
        public var day: Money?
        public var month: Money?

        public init(day: Money? = nil, month: Money? = nil) {
            self.day = day
            self.month = month
        }
    }

    /// For customers without limits of their own.
    public var standard: Limits
    public var customers: [String: Limits]
    /// What is reserved for the answer of a job that says no `max_tokens`, and is asked for again when it is used up.
    public var assumedTokens: Int

    public init(standard: Limits = Limits(), customers: [String: Limits] = [:], assumedTokens: Int = 1_024) {
        self.standard = standard
        self.customers = customers
        self.assumedTokens = max(1, assumedTokens)
    }

    func limits(of customer: String) -> Limits { customers[customer] ?? standard }

    /// Some customer's months are limited.
    package var hasMonths: Bool { standard.month != nil || customers.values.contains { $0.month != nil } }

    /// Some customer's days are limited.
    package var hasDays: Bool { standard.day != nil || customers.values.contains { $0.day != nil } }

    package var hasBudgets: Bool { hasDays || hasMonths }
}

/// The time that an amount is for.
package enum BudgetPeriod: String, Sendable, Hashable, CaseIterable {
    case day, month

    /// Counts the periods of UTC.
    ///
    /// - Parameter time: milliseconds since 1970.
    func index(at time: Int64) -> Int64 {
        let day = Self.day(at: time)
        switch self {
        case .day: return day
        case .month:
            let date = Self.date(of: day)
            return date.year * 12 + date.month - 1
        }
    }

    /// When the period began, in milliseconds since 1970.
    func start(at time: Int64) -> Int64 {
        let day = Self.day(at: time)
        switch self {
        case .day: return day &* 86_400_000
        case .month: return (day - Self.date(of: day).dayOfMonth + 1) &* 86_400_000
        }
    }

    private static func day(at time: Int64) -> Int64 {
        let (day, rest) = time.quotientAndRemainder(dividingBy: 86_400_000)
        return rest < 0 ? day - 1 : day
    }

    /// Howard Hinnant, "chrono-compatible low-level date algorithms": civil_from_days. Days before the year 0 are of it.
    private static func date(of day: Int64) -> (year: Int64, month: Int64, dayOfMonth: Int64) {
        let shifted = max(0, day &+ 719_468)
        let (era, dayOfEra) = shifted.quotientAndRemainder(dividingBy: 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let fromMarch = (5 * dayOfYear + 2) / 153
        let month = fromMarch < 10 ? fromMarch + 3 : fromMarch - 9
        return (
            yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * fromMarch + 2) / 5 + 1
        )
    }
}
