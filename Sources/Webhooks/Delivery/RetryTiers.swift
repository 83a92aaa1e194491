/// The waits that the broker's TTL queues offer. A queue expires messages at its head only, so one queue can hold one
/// wait; any other wait is made of the largest tier that fits, again and again.
public struct RetryTiers: Sendable, Equatable {
    /// Ascending, without doubles, all positive.
    public let tiers: [Duration]

    /// What is left of a wait may be this short and count as over: a wait of exactly one tier comes back a moment late
    /// or, by the two clocks' rounding, a moment early.
    public let slack: Duration

    /// The waits of Svix's schedule, so that most of them are one passage through a queue.
    public static let standard = RetryTiers([
        .seconds(5), .seconds(30), .seconds(300), .seconds(1_800), .seconds(7_200), .seconds(18_000), .seconds(36_000),
    ])

    /// Sorts; drops doubles and what is under a millisecond, which a queue's TTL cannot say.
    public init(_ tiers: [Duration]) {
        self.tiers = Set(tiers.filter { $0 >= .milliseconds(1) }).sorted()
        self.slack = (self.tiers.first ?? .zero) / 20
    }

    /// The tier to wait in next, `nil` when the wait is over. Less than the smallest tier is rounded up to it: a message
    /// may be late by the smallest tier, never early by more than `slack`.
    public func tier(forRemaining remaining: Duration) -> Duration? {
        guard remaining > self.slack else { return nil }
        return self.tiers.last { $0 <= remaining } ?? self.tiers.first
    }

    /// What is left of a wait. The broker measures a tier by a clock of its own; so where a clock on the wall was set back
    /// meanwhile, what was left behind the tier is all that can be left now.
    ///
    /// - Parameters:
    ///   - instant: milliseconds since 1970 at which the wait is over.
    ///   - most: milliseconds that were to be left after the tier; `nil` where nobody said.
    ///   - now: milliseconds since 1970.
    public static func remaining(until instant: Int64, atMost most: Int64?, now: Int64) -> Duration {
        let (rest, overflow) = instant.subtractingReportingOverflow(now)
        return overflow ? .zero : .milliseconds(max(0, min(rest, most ?? rest)))
    }
}
