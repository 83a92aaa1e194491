import ChatModel
import Testing

@testable import JobRunner

/// What may be spent, reserved and settled. Amounts are whole USD, times whole hours.
@Suite struct BudgetLedgerTests {
    private static let hour: Int64 = 3_600_000
    /// 2026-11-30T12:00:00Z: the last day of a month, at noon.
    private static let noon: Int64 = 1_796_040_000_000
    private static let policy = BudgetPolicy(
        standard: .init(day: usd(10), month: usd(15)), customers: ["rich": .init(), "monthly": .init(month: usd(10))])

    private static func usd(_ amount: Int) -> Money { Money(billionths: Int64(amount) * 1_000_000_000) }

    enum Step: Sendable {
        /// Attempt `n` of the customer's job wants so much; what the ledger says to that.
        case reserve(Int, Int, BudgetLedger.Verdict)
        case extend(Int, Int, Int?)
        case release(Int)
        /// Read in the journal.
        case started(Int, Int)
        case spent(Int, Int)
        case hours(Int64)
        case restart
        /// What has been spent today and this month, and what is reserved.
        case sums(Int, Int, Int)
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var customer: String
        var steps: [Step]

        init(_ name: String, customer: String = "acme", _ steps: [Step]) {
            (testDescription, self.customer, self.steps) = (name, customer, steps)
        }
    }

    static let cases: [Case] = [
        Case(
            "reserved, then settled for less",
            [
                .reserve(1, 6, .granted(usd(6))), .sums(0, 0, 6), .spent(1, 2), .sums(2, 2, 0),
                .reserve(2, 6, .granted(usd(6))),
            ]),
        Case(
            "what is left is granted, and what is reserved waited for",
            [
                .reserve(1, 6, .granted(usd(6))), .reserve(2, 6, .granted(usd(4))), .reserve(3, 6, .occupied),
                .spent(1, 5), .reserve(3, 6, .granted(usd(1))),
            ]),
        Case("used up", [.reserve(1, 10, .granted(usd(10))), .spent(1, 10), .reserve(2, 1, .usedUp(.day))]),
        Case(
            "settled for more than the budget",
            [.reserve(1, 9, .granted(usd(9))), .spent(1, 12), .sums(12, 12, 0), .reserve(2, 1, .usedUp(.day))]),
        Case(
            "a new day, not a new month",
            [
                .hours(-24), .reserve(1, 10, .granted(usd(10))), .spent(1, 10), .reserve(2, 1, .usedUp(.day)),
                .hours(24),
                .sums(0, 10, 0), .reserve(2, 6, .granted(usd(5))),
            ]),
        Case(
            "a new month is a new day, too",
            [
                .reserve(1, 10, .granted(usd(10))), .spent(1, 10), .hours(11), .reserve(2, 1, .usedUp(.day)), .hours(1),
                .sums(0, 0, 0), .reserve(2, 1, .granted(usd(1))),
            ]),
        Case(
            "the month's budget is used up on its last day",
            [
                .hours(-36), .spent(1, 9), .hours(24), .spent(2, 6), .sums(6, 15, 0), .reserve(3, 1, .usedUp(.month)),
                .hours(24), .sums(0, 0, 0), .reserve(3, 1, .granted(usd(1))),
            ]),
        Case(
            "read twice, counted once",
            [.spent(1, 3), .spent(1, 3), .started(1, 5), .sums(3, 3, 0), .spent(2, 3), .sums(6, 6, 0)]),
        Case(
            "of the day before it is still known what was counted",
            [.hours(-24), .spent(1, 3), .hours(24), .spent(2, 3), .spent(1, 3), .sums(3, 6, 0)]),
        Case("others' reservations count", [.started(1, 7), .started(1, 7), .reserve(2, 6, .granted(usd(3)))]),
        Case(
            "a larger reservation takes the place of the smaller",
            [.started(1, 2), .started(1, 5), .started(1, 3), .sums(0, 0, 5), .spent(1, 1), .sums(1, 1, 0)]),
        Case(
            "more for a long answer, until nothing is left",
            [
                .reserve(1, 6, .granted(usd(6))), .extend(1, 3, 9), .extend(1, 3, 10), .extend(1, 3, nil),
                .sums(0, 0, 10), .spent(1, 10), .sums(10, 10, 0), .extend(1, 1, nil),
            ]),
        Case("never begun", [.reserve(1, 6, .granted(usd(6))), .release(1), .release(1), .sums(0, 0, 0)]),
        Case(
            "a dead worker's reservation is let go after its time, and settled all the same",
            [
                .started(1, 10), .reserve(2, 1, .occupied), .hours(1), .reserve(2, 1, .granted(usd(1))), .sums(0, 0, 1),
                .spent(1, 4), .sums(4, 4, 1),
            ]),
        Case(
            "the journal is read anew",
            [.spent(1, 4), .started(2, 3), .restart, .sums(0, 0, 0), .spent(1, 4), .sums(4, 4, 0)]),
        Case(
            "without a budget", customer: "rich",
            [.reserve(1, 99, .unlimited), .spent(1, 99), .reserve(2, 1, .unlimited)]),
        Case(
            "one budget of its own", customer: "monthly",
            [.spent(1, 10), .reserve(2, 1, .usedUp(.month)), .hours(12), .reserve(2, 1, .granted(usd(1)))]),
    ]

    @Test(arguments: cases) func account(_ example: Case) {
        var ledger = BudgetLedger(policy: Self.policy, holdTime: .seconds(3_600))
        var now = Self.noon
        func start(_ number: Int, _ amount: Int) -> AttemptStart {
            var start = Self.start(example.customer, Int64(number), began: now)
            start.reserved = Self.usd(amount)
            return start
        }
        let key = start(0, 0).key
        for (index, step) in example.steps.enumerated() {
            let place: Comment = "step \(index): \(step)"
            switch step {
            case .reserve(let number, let amount, let verdict):
                #expect(ledger.reserve(start(number, amount), least: Self.usd(1), now: now) == verdict, place)
            case .extend(let number, let amount, let total):
                let extended = ledger.extend(key, Int64(number), by: Self.usd(amount), least: Self.usd(1), now: now)
                #expect(extended == total.map(Self.usd), place)
            case .release(let number): ledger.release(key, Int64(number))
            case .started(let number, let amount): ledger.started(start(number, amount), now: now)
            case .spent(let number, let amount):
                ledger.spent(key, Int64(number), Self.usd(amount), at: now, now: now)
            case .hours(let hours): now += hours * Self.hour
            case .restart: ledger.restart()
            case .sums(let day, let month, let reserved):
                #expect(ledger.spent(example.customer, .day, now: now) == Self.usd(day), place)
                #expect(ledger.spent(example.customer, .month, now: now) == Self.usd(month), place)
                #expect(ledger.reserved(example.customer) == Self.usd(reserved), place)
            }
        }
    }

    private static func start(_ customer: String, _ attempt: Int64, began: Int64) -> AttemptStart {
        AttemptStart(
            key: JobKey(customer: customer, id: "job"), attempt: attempt, began: began, gateway: "g", model: "m",
            price: Price(input: 1, output: 1), promptTokens: 1, mostTokens: 1)
    }

    /// What was written yesterday, and in the last month, is read back today.
    @Test func whatEndedCountsNoMore() {
        var ledger = BudgetLedger(policy: Self.policy, holdTime: .seconds(3_600))
        let key = JobKey(customer: "acme", id: "job")
        for (attempt, hours) in [(Int64(1), Int64(-24 * 40)), (2, -24), (3, -1)] {
            ledger.spent(key, attempt, Self.usd(1), at: Self.noon + hours * Self.hour, now: Self.noon)
        }
        #expect(ledger.spent("acme", .day, now: Self.noon) == Self.usd(1))
        #expect(ledger.spent("acme", .month, now: Self.noon) == Self.usd(2))
    }

    /// An attempt that has ended reserves what it cost and no more, also where the journal tells of its beginning late.
    @Test(arguments: [0, 3, 12])
    func whatWasNotSpentIsFreeAtOnce(cost: Int) {
        var ledger = BudgetLedger(policy: Self.policy, holdTime: .seconds(3_600))
        let key = JobKey(customer: "acme", id: "job")
        var start = Self.start("acme", 1, began: Self.noon)
        start.reserved = Self.usd(8)
        ledger.started(start, now: Self.noon)
        ledger.noteEnding(key, 1, cost: Self.usd(cost))
        #expect(ledger.reserved("acme") == Self.usd(cost))
        ledger.started(start, now: Self.noon)
        ledger.noteEnding(key, 1, cost: Self.usd(cost))
        #expect(ledger.reserved("acme") == Self.usd(cost), "read back from the journal")
        var next = Self.start("acme", 2, began: Self.noon)
        next.reserved = Self.usd(10)
        let left = Self.usd(10 - min(10, cost))
        let verdict = ledger.reserve(next, least: Self.usd(1), now: Self.noon)
        #expect(verdict == (left > .zero ? .granted(left) : .occupied))
        ledger.spent(key, 1, Self.usd(cost), at: Self.noon, now: Self.noon)
        #expect(ledger.reserved("acme") == left, "what the journal tells is counted once")
    }

    /// Whose worker died is found out by whoever gets the job: of this life of it only, and only where nobody has spoken.
    @Test func attemptsThatNobodyAccountedFor() {
        var ledger = BudgetLedger(policy: Self.policy, holdTime: .seconds(3_600))
        let key = JobKey(customer: "acme", id: "job")
        for attempt in [1, 2, 1_001, 1_000_001] as [Int64] {
            ledger.started(Self.start("acme", attempt, began: Self.noon), now: Self.noon)
        }
        ledger.spent(key, 1, .zero, at: Self.noon, now: Self.noon)
        let second = AttemptNumber(deliveryCount: 2, tryNumber: 1)
        #expect(ledger.unaccounted(key, before: second).map(\.attempt) == [2, 1_001])
        ledger.noteEnding(key, 1_001, cost: .zero)
        #expect(ledger.unaccounted(key, before: second).map(\.attempt) == [2])
        #expect(ledger.unaccounted(key, before: AttemptNumber()).isEmpty)
        let other = JobKey(customer: "other", id: "job")
        #expect(ledger.unaccounted(other, before: second).isEmpty)
        // It is forgotten after a day; a job does not come back after that.
        let later = Self.noon + 25 * Self.hour
        let probe = Self.start("other", 9, began: later)
        _ = ledger.reserve(probe, least: .zero, now: later)
        #expect(ledger.unaccounted(key, before: second).isEmpty)
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ("2024-02-29T23:59:59.999Z", "2024-02-29T00:00:00Z", "2024-02-01T00:00:00Z"),
        ("2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-03-01T00:00:00Z"),
        ("2026-12-31T12:00:00Z", "2026-12-31T00:00:00Z", "2026-12-01T00:00:00Z"),
    ])
    func periods(time: String, day: String, month: String) throws {
        let now = try #require(Timestamp(rfc3339: time)).milliseconds
        for (period, start) in [(BudgetPeriod.day, day), (.month, month)] {
            let first = try #require(Timestamp(rfc3339: start)).milliseconds
            #expect(period.start(at: now) == first)
            #expect(period.index(at: first) == period.index(at: now))
            #expect(period.index(at: first - 1) == period.index(at: now) - 1)
        }
    }
}
