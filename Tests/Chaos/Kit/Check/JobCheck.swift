/// Judges one job by what was seen of it. Pure.
struct JobCheck {
    let job: JobRecord
    let history: History
    private(set) var violations: [Violation] = []
    private(set) var counts = Verdict.Counts()

    init(_ job: JobRecord, in history: History) {
        self.job = job
        self.history = history
    }

    mutating func run() {
        let terminals = job.terminals
        counts.repeatedMessages = job.repeatedReplies
        guard !terminals.isEmpty || !job.webhooks.isEmpty || !job.replies.isEmpty || job.certainty == .confirmed else {
            counts.uncertainAbsent = 1
            return
        }
        if job.certainty == .uncertain { counts.recovered = 1 }
        if terminals.isEmpty, !job.repliesMayBeMissing { report(.lostTerminal, story) }
        checkOrder(of: terminals)
        checkOutcome(of: terminals)
        if let winner = terminals.max(by: { $0.attempt < $1.attempt }) { checkAttempt(of: winner) }
        checkWebhooks(terminals)
        if job.wish == .refusal, job.certainty == .confirmed, history.deadLetters[job.id] == nil {
            report(.lostDeadLetter, "invalid, and no dead letter")
        }
    }

    // MARK: Terminals

    private mutating func checkOrder(of terminals: [ReplySeen]) {
        guard let last = terminals.last else { return }
        // A crash explains an attempt that began after it, and no other.
        let began = job.replies.first { $0.attempt == last.attempt && $0.run == last.run }?.at ?? last.at
        let crashes = count(.crash, until: began)
        counts.secondTerminals = max(0, terminals.count - 1)
        if terminals.count > 1, crashes == 0 {
            report(.secondTerminal, story)
        } else if terminals.count > 1 + crashes {
            report(.tooManyTerminals, "\(terminals.count) with \(crashes) crashes; \(story)")
        }
        for (earlier, later) in zip(terminals, terminals.dropFirst()) where later.attempt <= earlier.attempt {
            report(.attemptNotHigher, "\(later.attempt) after \(earlier.attempt); \(story)")
        }
        if job.repeatedReplies > 0, !isExcused(by: [.crash, .connectionLost, .brokerStopped]) {
            report(.repeatedWithoutCause, "\(job.repeatedReplies) messages came again")
        }
    }

    private mutating func checkOutcome(of terminals: [ReplySeen]) {
        if terminals.contains(where: { $0.kind == .completion }) { counts.completed = 1 }
        for terminal in terminals where terminal.kind == .error {
            switch job.wish {
            case .refusal where terminal.code == "invalid_job": counts.refused = 1
            case .brokenAnswer: counts.failed = 1
            default:
                counts.failed = 1
                if terminal.code == "delivery_limit" || !isExcused(by: [.gatewayFailing]) {
                    report(.failedWithoutCause, "\(terminal.code ?? "no code"); \(story)")
                }
            }
        }
    }

    // MARK: Chunks of the winning attempt

    private mutating func checkAttempt(of terminal: ReplySeen) {
        let messages = job.replies.filter { $0.attempt == terminal.attempt && $0.run == terminal.run }
            .sorted { $0.sequence < $1.sequence }
        let isWhole = messages.map(\.sequence) == Array(0...max(0, terminal.sequence))
        if messages.last?.sequence ?? 0 > terminal.sequence { report(.afterTheEnd, story) }
        if isWhole {
            checkText(messages, terminal)
        } else if job.repliesMayBeMissing || (!job.hasDurableReplies && isExcused(by: [.brokerStopped])) {
            counts.healedGaps = 1
        } else {
            report(.gap, story)
        }
        checkAgainstGateway(terminal)
    }

    private mutating func checkText(_ messages: [ReplySeen], _ terminal: ReplySeen) {
        var joined = ""
        for message in messages {
            if message.offset != Int64(joined.utf8.count) {
                report(.wrongOffset, "\(message.offset) at \(message.sequence), \(joined.utf8.count) bytes came before")
            }
            if message.kind == .chunk { joined += message.text }
        }
        if !joined.utf8.elementsEqual(terminal.text.utf8) {
            report(.chunksDiffer, "chunks \(Excerpt(joined)), terminal \(Excerpt(terminal.text))")
        }
    }

    private mutating func checkAgainstGateway(_ terminal: ReplySeen) {
        if let digest = terminal.digest, digest != Digest.hexadecimal(terminal.text) {
            report(.wrongDigest, "\(digest) of \(Excerpt(terminal.text))")
        }
        let said = history.transcript[job.id] ?? []
        switch terminal.kind {
        case .completion:
            // A gateway that was killed has no last line in its transcript.
            let isWritten = said.contains { $0.isComplete && $0.text.utf8.elementsEqual(terminal.text.utf8) }
            if !terminal.text.utf8.elementsEqual(job.text.utf8) || !(isWritten || isExcused(by: [.gatewayFailing])) {
                report(
                    .gatewayDiffers,
                    "terminal \(Excerpt(terminal.text)), wanted \(Excerpt(job.text)), \(said.count) answers")
            }
        default:
            if !job.text.utf8.starts(with: terminal.text.utf8) {
                report(.gatewayDiffers, "partial \(Excerpt(terminal.text)), wanted a part of \(Excerpt(job.text))")
            }
        }
    }

    // MARK: Webhooks

    private mutating func checkWebhooks(_ terminals: [ReplySeen]) {
        guard job.wantsWebhook else {
            if !job.webhooks.isEmpty { report(.unexpected, "a webhook for a job that was refused") }
            return
        }
        let winner = terminals.max { $0.attempt < $1.attempt }
        // A job that may not exist has to be told about only where it was begun.
        let isOwed = job.certainty == .confirmed || winner != nil
        if let winner, !job.webhooks.contains(where: { $0.attempt == winner.attempt }) {
            report(.lostWebhook, job.webhooks.isEmpty ? "none; \(story)" : "none of the last terminal; \(story)")
        } else if job.webhooks.isEmpty, isOwed {
            report(.lostWebhook, "none; \(story)")
        }
        if Set(job.webhooks.map(\.id)).count > 1 { report(.webhookID, "\(Set(job.webhooks.map(\.id)).sorted())") }
        if job.webhooks.contains(where: { !$0.isVerified }) { report(.webhookSignature, "not verified") }
        for webhook in job.webhooks {
            for terminal in terminals where terminal.attempt == webhook.attempt && terminal.digest != webhook.digest {
                report(.webhookDiffers, "of attempt \(webhook.attempt)")
            }
        }
        counts.repeatedWebhooks = max(0, job.webhooks.count - 1)
        if job.webhooks.count > 1, !isExcused(by: [.crash, .connectionLost, .brokerStopped]) {
            report(.webhookRepeatedWithoutCause, "\(job.webhooks.count) posts; \(story)")
        }
    }

    // MARK: What excuses

    private func count(_ effect: Disturbance.Effect, until end: Double) -> Int {
        history.disturbances.count { $0.effect == effect && $0.to >= job.publishedAt && $0.from <= end }
    }

    private func isExcused(by effects: Set<Disturbance.Effect>) -> Bool {
        let end = job.lastSeenAt
        return history.disturbances.contains {
            effects.contains($0.effect) && $0.to >= job.publishedAt && $0.from <= end
        }
    }

    /// In one line, for people.
    private var story: String { JobStory(job).line }

    private mutating func report(_ kind: Violation.Kind, _ detail: String) {
        violations.append(Violation(kind, job: job.id, detail))
    }
}
