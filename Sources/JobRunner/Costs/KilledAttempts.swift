internal import ChatModel

/// Attempts of a job whose worker died before it could say what they cost: whoever gets the job says it.
struct KilledAttempts {
    private let job: Job?
    let charges: [Charge]

    static let none = KilledAttempts()

    private init() {
        job = nil
        charges = []
    }

    /// - Parameters:
    ///   - attempt: the first of the present delivery.
    ///   - found: when that came; milliseconds since 1970.
    init(of job: Job, before attempt: AttemptNumber, found: Int64, _ host: JobHost) {
        self.job = job
        guard attempt.deliveryCount > 0 else {
            charges = []
            return
        }
        charges = host.journal.withLedger { ledger in
            let starts = ledger.unaccounted(job.key, before: attempt)
            return starts.map { start in
                let charge = Charge(start, usage: TokenUsage(killed: start, now: found), outcome: .killed)
                ledger.noteEnding(start.key, start.attempt, cost: charge.cost ?? .zero)
                return charge
            }
        }
    }

    var cost: Money { charges.total ?? .zero }

    /// Their usage events.
    func events(
        _ host: JobHost, settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) -> [DurableMessage] {
        guard let job else { return [] }
        let log = AnswerLog(defaults: .init(id: "", model: job.route.upstreamModel, created: 0))
        let time = host.wallClock()
        for charge in charges { host.spending.add(charge) }
        return charges.compactMap { charge in
            ResultWriter(
                job: job, attempt: AttemptNumber(), tries: 1, timings: JobTimings(), tokensWasted: 0, shown: charge,
                charges: [], log
            ).usageEvent(log, host, time: time, settled: settled)
        }
    }
}

extension [Charge] {
    /// `nil` where none has a price.
    var total: Money? {
        reduce(nil) { total, charge in charge.cost.map { $0 + (total ?? .zero) } ?? total }
    }
}
