/// What a checker says of a whole run.
package struct Verdict: Sendable, Equatable {
    /// In the manner of Jepsen's total-queue.
    package struct Counts: Sendable, Equatable {
        /// Jobs whose publishing was confirmed.
        package var confirmed = 0
        /// Jobs whose publishing was not confirmed, and that came out.
        package var recovered = 0
        /// Jobs whose publishing was not confirmed, and that nobody has seen.
        package var uncertainAbsent = 0
        package var completed = 0
        package var failed = 0
        package var refused = 0
        /// Terminals beyond the first, allowed or not.
        package var secondTerminals = 0
        /// Posts beyond the first, allowed or not.
        package var repeatedWebhooks = 0
        /// Replies that came twice with the same number, allowed or not.
        package var repeatedMessages = 0
        /// Chunks that died with the broker; the terminal has their text.
        package var healedGaps = 0

        package init() {}

        mutating func add(_ other: Counts) {
            confirmed += other.confirmed
            recovered += other.recovered
            uncertainAbsent += other.uncertainAbsent
            completed += other.completed
            failed += other.failed
            refused += other.refused
            secondTerminals += other.secondTerminals
            repeatedWebhooks += other.repeatedWebhooks
            repeatedMessages += other.repeatedMessages
            healedGaps += other.healedGaps
        }
    }

    package var violations: [Violation] = []
    package var counts = Counts()

    package init() {}
}

/// Judges a whole run by what went in and what came out, knowing nothing of how the worker works. Pure.
///
/// For every job that was confirmed to the backend: a terminal and its webhook, one of each where no process died, and
/// one more for each crash, of a higher attempt and under the same webhook id; chunks of the winning attempt without a
/// gap, equal to its terminal and to what the gateway sent; and in the end no message that nobody will ever finish.
package struct TotalChecker: Sendable {
    let history: History

    package init(_ history: History) { self.history = history }

    package func check() -> Verdict {
        var verdict = Verdict()
        for job in history.jobs.values.sorted(by: { $0.publishedAt < $1.publishedAt }) {
            var check = JobCheck(job, in: history)
            check.run()
            verdict.violations += check.violations
            verdict.counts.add(check.counts)
            if job.certainty == .confirmed { verdict.counts.confirmed += 1 }
        }
        verdict.violations += history.strangers.map { Violation(.unexpected, $0) }
        verdict.violations += sharedWebhookIDs() + deadLetters()
        for (queue, count) in history.leftovers.sorted(by: { $0.key < $1.key }) where count > 0 {
            verdict.violations.append(Violation(.leftOver, "\(count) in \(queue)"))
        }
        return verdict
    }

    private func sharedWebhookIDs() -> [Violation] {
        var owners: [String: String] = [:]
        var violations: [Violation] = []
        for job in history.jobs.values {
            for id in Set(job.webhooks.map(\.id)) {
                if let owner = owners[id], owner != job.id {
                    violations.append(Violation(.webhookID, job: job.id, "\(id) is the one of \(owner), too"))
                }
                owners[id] = job.id
            }
        }
        return violations
    }

    private func deadLetters() -> [Violation] {
        history.deadLetters.sorted { $0.key < $1.key }.compactMap { id, reason in
            guard let job = history.jobs[id] else { return Violation(.unexpected, job: id, "dead letter: \(reason)") }
            return job.wish == .refusal ? nil : Violation(.deadLettered, job: id, reason)
        }
    }
}
