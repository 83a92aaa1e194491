package import ChatModel

/// What customers have spent and what is reserved for their running jobs, as this worker knows it. Pure: the time is
/// passed in (milliseconds since 1970).
///
/// What was spent is made of the journal alone, which has one order for all workers. A reservation is noted at once by the
/// worker that makes it, and by the others when they read it; it goes when the attempt's cost is read.
package struct BudgetLedger: Sendable {
    /// What a job may do.
    package enum Verdict: Sendable, Equatable {
        /// Its customer has no budget.
        case unlimited
        /// So much is reserved for it; less than was wanted where no more is left.
        case granted(Money)
        /// All that is left is reserved for other jobs; some of it may come back.
        case occupied
        /// What is left of the period's budget does not even pay for the prompt.
        case usedUp(BudgetPeriod)
    }

    private struct Reservation {
        var start: AttemptStart
        /// The worker knows already what it cost, and says so: no more than that is reserved.
        var isEnding = false
        /// It does not count any more: nobody asks the gateway for so long.
        var isStale = false
    }

    private struct Account {
        var reserved = Money.zero
        var spent: [BudgetPeriod: [Int64: Money]] = [:]
    }

    var policy: BudgetPolicy
    /// Milliseconds after which a reservation is not believed any more: whoever made it has died, and its job did not come
    /// back.
    private let holdTime: Int64
    /// How long it is remembered that an attempt had begun.
    private static let memory: Int64 = 86_400_000
    /// By how much another worker's clock may be ahead; a time after that is taken as now.
    private static let clockSkew: Int64 = 3_600_000
    private var accounts: [String: Account] = [:]
    /// Of each job in the order in which they became known: hardly ever more than one.
    private var open: [JobKey: [Reservation]] = [:]
    private var settled = RecentAttempts()
    private var nextSweep: Int64 = 0

    package init(policy: BudgetPolicy, holdTime: Duration) {
        self.policy = policy
        self.holdTime = holdTime.milliseconds
    }

    // MARK: Jobs of this worker

    /// An attempt is about to begin.
    ///
    /// - Parameters:
    ///   - start: with what it would like to reserve.
    ///   - least: under which it is not worth beginning.
    package mutating func reserve(_ start: AttemptStart, least: Money, now: Int64) -> Verdict {
        sweep(now)
        var start = start
        guard let left = left(start.key.customer, now: now) else {
            start.reserved = .zero
            note(start)
            return .unlimited
        }
        let available = left.amount - reserved(start.key.customer)
        guard available >= least, available > .zero else {
            return left.amount >= least && left.amount > .zero ? .occupied : .usedUp(left.period)
        }
        start.reserved = min(start.reserved, available)
        note(start)
        return .granted(start.reserved)
    }

    /// More for an attempt that has used up what was reserved; what is reserved now, or `nil` where nothing is left.
    ///
    /// - Parameter least: under which going on is not worth it.
    mutating func extend(_ key: JobKey, _ attempt: Int64, by wanted: Money, least: Money, now: Int64) -> Money? {
        guard let left = left(key.customer, now: now) else { return .most }
        let more = min(wanted, left.amount - reserved(key.customer))
        guard more >= least, more > .zero, var start = reservation(key, attempt)?.start else { return nil }
        start.reserved = start.reserved + more
        note(start)
        return start.reserved
    }

    /// The attempt is not begun after all.
    mutating func release(_ key: JobKey, _ attempt: Int64) { close(key, attempt) }

    /// This worker has made the attempt's usage event: nobody else need estimate it. What was reserved for it and not spent
    /// is free at once; its cost stays reserved until the journal tells it.
    mutating func noteEnding(_ key: JobKey, _ attempt: Int64, cost: Money) {
        guard let old = reservation(key, attempt) else { return }
        if !old.isStale { add(cost - old.start.reserved, to: key.customer) }
        change(key, attempt) { reservation in
            reservation.isEnding = true
            reservation.start.reserved = cost
        }
    }

    /// Attempts of this life of a job that had begun before and of which nobody has said what they cost.
    func unaccounted(_ key: JobKey, before attempt: AttemptNumber) -> [AttemptStart] {
        let life = AttemptNumber(republishes: attempt.republishes, tryNumber: 0).value
        return (open[key] ?? [])
            .filter { !$0.isEnding && (life..<attempt.value).contains($0.start.attempt) }
            .map(\.start).sorted { $0.attempt < $1.attempt }
    }

    /// Attempts of a job that have begun, and of which nobody has said what they cost.
    func begun(_ key: JobKey) -> [AttemptStart] {
        (open[key] ?? []).lazy.map(\.start).filter { $0.attempt > 0 }
    }

    // MARK: The journal

    /// What stands in the journal, in its order. A worker's mark says nothing.
    package mutating func heed(_ message: JournalMessage, now: Int64) {
        switch message {
        case .started(let start): started(start, now: now)
        case .spent(let key, let attempt, let cost, let time, _): spent(key, attempt, cost, at: time, now: now)
        case .convicted, .sync: break
        }
    }

    /// An attempt has begun, here or elsewhere, or has reserved more.
    mutating func started(_ start: AttemptStart, now: Int64) {
        var start = start
        start.began = Self.plausible(start.began, now: now)
        guard start.began > now - Self.memory, !settled.contains(start.key, start.attempt) else { return }
        note(start)
    }

    /// What an attempt cost is known. The first who says so is believed.
    ///
    /// - Parameter time: of the event, which decides in which day and month it counts.
    mutating func spent(_ key: JobKey, _ attempt: Int64, _ cost: Money, at time: Int64, now: Int64) {
        close(key, attempt)
        let time = Self.plausible(time, now: now)
        guard settled.insert(key, attempt, day: BudgetPeriod.day.index(at: time)), cost > .zero else { return }
        let limits = policy.limits(of: key.customer)
        guard limits.day != nil || limits.month != nil else { return }
        for period in BudgetPeriod.allCases {
            let index = period.index(at: time)
            // What ended before counts no more; one who is a little ahead has begun the next.
            let current = period.index(at: now)
            guard index >= current else { continue }
            var account = accounts[key.customer] ?? Account()
            var sums = account.spent[period] ?? [:]
            sums[index] = (sums[index] ?? .zero) + cost
            account.spent[period] = sums.filter { $0.key >= current }
            accounts[key.customer] = account
        }
    }

    /// What a message says about its time moves no clock of this ledger.
    private static func plausible(_ time: Int64, now: Int64) -> Int64 {
        let time = max(0, time)
        return time > now && time - now > clockSkew ? now : time
    }

    /// The journal is read from its beginning again.
    mutating func restart() {
        accounts = [:]
        open = [:]
        settled = RecentAttempts()
    }

    // MARK: Sums

    /// What a customer has spent in the present period.
    package func spent(_ customer: String, _ period: BudgetPeriod, now: Int64) -> Money {
        accounts[customer]?.spent[period]?[period.index(at: now)] ?? .zero
    }

    /// What is reserved for a customer's jobs.
    package func reserved(_ customer: String) -> Money { accounts[customer]?.reserved ?? .zero }

    /// The tightest of a customer's limits; `nil` where there is none.
    private func left(_ customer: String, now: Int64) -> (amount: Money, period: BudgetPeriod)? {
        let limits = policy.limits(of: customer)
        var tightest: (amount: Money, period: BudgetPeriod)?
        for (period, limit) in [(BudgetPeriod.day, limits.day), (.month, limits.month)] {
            guard let limit else { continue }
            let amount = limit - spent(customer, period, now: now)
            if amount < tightest?.amount ?? .most { tightest = (amount, period) }
        }
        return tightest
    }

    private func index(_ key: JobKey, _ attempt: Int64) -> Int? {
        open[key]?.firstIndex { $0.start.attempt == attempt }
    }

    private func reservation(_ key: JobKey, _ attempt: Int64) -> Reservation? {
        index(key, attempt).flatMap { open[key]?[$0] }
    }

    private mutating func change(_ key: JobKey, _ attempt: Int64, _ body: (inout Reservation) -> Void) {
        if let index = index(key, attempt) { body(&open[key, default: []][index]) }
    }

    private mutating func note(_ start: AttemptStart) {
        let old = reservation(start.key, start.attempt)
        var new = Reservation(start: start, isEnding: old?.isEnding ?? false)
        if let old, !old.isStale { add(Money.zero - old.start.reserved, to: start.key.customer) }
        new.start.reserved = max(start.reserved, old?.start.reserved ?? .zero)
        // Read back from the journal after its end: it reserves nothing any more.
        if let old, old.isEnding { new.start.reserved = old.start.reserved }
        add(new.start.reserved, to: start.key.customer)
        if old == nil {
            open[start.key, default: []].append(new)
        } else {
            change(start.key, start.attempt) { $0 = new }
        }
        nextSweep = min(nextSweep, start.began + holdTime)
    }

    private mutating func close(_ key: JobKey, _ attempt: Int64) {
        guard let index = index(key, attempt), let old = open[key]?.remove(at: index) else { return }
        if open[key]?.isEmpty == true { open[key] = nil }
        if !old.isStale { add(Money.zero - old.start.reserved, to: key.customer) }
    }

    private mutating func add(_ amount: Money, to customer: String) {
        guard amount != .zero else { return }
        var account = accounts[customer] ?? Account()
        account.reserved = account.reserved + amount
        accounts[customer] = account.reserved == .zero && account.spent.isEmpty ? nil : account
    }

    /// Lets go of reservations that are too old, and forgets attempts that are older still.
    private mutating func sweep(_ now: Int64) {
        guard now >= nextSweep else { return }
        var next = now + holdTime
        for (key, attempts) in open {
            for reservation in attempts {
                let attempt = reservation.start.attempt
                if reservation.start.began <= now - Self.memory {
                    close(key, attempt)
                } else if !reservation.isStale, reservation.start.began <= now - holdTime {
                    add(Money.zero - reservation.start.reserved, to: key.customer)
                    change(key, attempt) { $0.isStale = true }
                } else if !reservation.isStale {
                    next = min(next, reservation.start.began + holdTime)
                }
            }
        }
        nextSweep = next
    }
}
