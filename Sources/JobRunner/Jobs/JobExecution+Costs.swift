internal import AMQP
internal import ChatModel
internal import Gateway

/// What a job costs: what its customer's budget allows, and what each attempt is charged with. On its event loop.
extension JobExecution {
    /// Under which the reservation stands of an attempt that has no number yet.
    private static let unnumbered: Int64 = -1

    /// Which gateway is asked for which model at which price.

    /// Whether the budget lets it ask now; where not, what becomes of the job is done.
    func mayAsk() -> Bool {
        let now = host.wallClock()
        let start = start(Self.unnumbered, now)
        let least = start.cost(completionTokens: 1)
        (grant, isGranted) = (nil, true)
        // What has no price is free, also when all money is spent.
        guard least > .zero else { return true }
        switch host.journal.withLedger({ $0.reserve(start, least: least, now: now.milliseconds) }) {
        case .unlimited: return true
        case .granted(let amount):
            grant = amount
            return true
        case .occupied where machine.phase == .waiting:
            isGranted = false
            perform(machine.waitExpired(settings.retry.longestInWorker))
        case .occupied where tokens == 0 && bestPartial == nil:
            // What others have reserved may come back: it waits for that like a job that has not begun.
            isGranted = false
            leaveGate(.other)
            perform(machine.foundNoGate())
        case .occupied:
            isGranted = false
            perform(machine.timeExpired(.budgetUsedUp(.day)))
        case .usedUp(let period):
            isGranted = false
            perform(machine.timeExpired(.budgetUsedUp(period)))
        }
        return false
    }

    private func start(_ attempt: Int64, _ now: Timestamp) -> AttemptStart {
        AttemptStart(
            routed, route: route, attempt: attempt, assumedTokens: settings.assumedTokens, now: now)
    }

    /// The gateway is about to be asked.
    ///
    /// - Parameter isKnown: called when the journal has it that the attempt has begun; `nil`: nobody waits for that.
    func beginAttempt(_ isKnown: (@Sendable () -> Void)? = nil) {
        let now = host.wallClock()
        var start = start(machine.attempt.value, now)
        start.reserved = grant ?? .zero
        start.worker = host.instance
        if case .tried(let suspects) = suspicion { start.suspects = suspects }
        spendLimit = grant.map { start.tokens(within: $0) } ?? .max
        grant = nil
        let begun = start
        host.journal.withLedger { ledger in
            ledger.release(begun.key, Self.unnumbered)
            ledger.started(begun, now: now.milliseconds)
        }
        current = start
        announce(start, now, isKnown)
    }

    /// Tells the other workers what is reserved, and that the attempt must be accounted for.
    private func announce(_ start: AttemptStart, _ now: Timestamp, _ isKnown: (@Sendable () -> Void)? = nil) {
        let event = try? Messages.event(
            exchange: host.names.events, routingKey: "\(JournalMessage.Kind.started).\(job.customer)",
            messageID: "\(job.id)/\(start.attempt)/started", type: JournalMessage.Kind.started,
            headers: JournalMessage.headers(start), user: host.user,
            body: start.eventBody(time: now, worker: host.worker), settled: { _ in isKnown?() })
        if let event { shard.publish(event) } else { isKnown?() }
    }

    /// The answer has used up what was reserved for it: there may be more.
    func spendLimitReached() {
        guard var start = current, let price = start.price else { return }
        let now = host.wallClock()
        let wanted = price.cost(promptTokens: 0, completionTokens: settings.assumedTokens)
        let least = price.cost(promptTokens: 0, completionTokens: 1)
        let (key, attempt) = (start.key, start.attempt)
        let reserved = host.journal.withLedger {
            $0.extend(key, attempt, by: wanted, least: least, now: now.milliseconds)
        }
        guard let reserved else {
            spendLimit = .max
            return perform(machine.timeExpired(.budgetReached))
        }
        start.reserved = reserved
        current = start
        spendLimit = start.tokens(within: reserved)
        announce(start, now)
    }

    // MARK: Charges

    /// The charge of the attempt that ends with the job.
    func lastCharge(
        _ outcome: JobMachine.Outcome, _ log: borrowing AnswerLog, _ attempt: AttemptNumber
    ) -> Charge {
        guard let current else {
            // An attempt that was asked has its event already.
            let attempt = charges.isEmpty ? attempt : attempt.next()
            return Charge(nothingUnder: attempt, of: route, outcome: outcome.charged)
        }
        let usage = TokenUsage(log, requestBytes: request.count)
        let charge = Charge(current, usage: usage, outcome: outcome.charged)
        host.journal.withLedger { $0.noteEnding(current.key, current.attempt, cost: charge.cost ?? .zero) }
        return charge
    }

    /// The present attempt is over, and the job goes on, here or elsewhere.
    func settleAttempt(because failure: GatewayFailure? = nil) {
        guard let start = current, let log = stream?.snapshot().log else { return }
        endAttemptSpan(failure?.code ?? "abandoned")
        current = nil
        let usage = TokenUsage(log, requestBytes: request.count)
        let charge = Charge(start, usage: usage, outcome: .discarded)
        charges.append(charge)
        host.spending.add(charge)
        host.metrics.charged(charge.usage)
        host.journal.withLedger { $0.noteEnding(start.key, start.attempt, cost: charge.cost ?? .zero) }
        let event = ResultWriter(
            job: routed, attempt: machine.attempt, tries: machine.tries, timings: timings,
            tokensWasted: parked.tokensWasted, shown: charge, charges: [], log
        ).usageEvent(
            log, host, time: host.wallClock(), failure: failure.map { JobFailure($0) }, settled: eventReceipt)
        publishEvents(event.map { [$0] } ?? [])
    }

    /// Its worker died while it ran there: what that cost is said here, once it is clear that the worker itself does not.
    func accountForTheDead() {
        guard !hasCountedTheDead, current == nil else { return }
        hasCountedTheDead = true
        let first = Republication.attempt(of: delivery, workerUser: host.user)
        let killed = KilledAttempts(of: job, before: first, found: arrived, host)
        charges = killed.charges + charges
        publishEvents(killed.events(host, settled: eventReceipt))
    }

    private var eventReceipt: @Sendable (DurableMessage.Settlement) -> Void {
        let loop = loop
        return { settlement in loop.execute { self.eventSettled(settlement) } }
    }

    private func publishEvents(_ events: [DurableMessage]) {
        guard !events.isEmpty else { return }
        receipts.sentEarlier(events.count)
        shard.publish(events)
    }

    /// The job is over: what it cost is counted.
    func closeAccount() {
        if isGranted {
            let key = job.key
            host.journal.withLedger { $0.release(key, Self.unnumbered) }
        }
        if let outcome, current != nil, let (log, attempt, _) = stream?.snapshot() {
            let last = lastCharge(outcome, log, attempt)
            charges.append(last)
            host.spending.add(last)
            host.metrics.charged(last.usage)
            current = nil
        }
        settleAttempt()
    }
}

extension AttemptStart {
    /// Body of the event that the attempt has begun.
    func eventBody(time: Timestamp, worker: String) -> [UInt8] {
        var body = Array("{\"type\":\"job.started\",\"timestamp\":\"\(time.rfc3339)\",\"gateway\":".utf8)
        JSONText.appendQuoted(gateway.utf8, to: &body)
        body.append(contentsOf: ",\"worker\":".utf8)
        JSONText.appendQuoted(worker.utf8, to: &body)
        body.append(contentsOf: ",\"model\":".utf8)
        JSONText.appendQuoted(model.utf8, to: &body)
        body.append(contentsOf: ",\"reserved\":".utf8)
        let amount = price == nil ? "null" : "{\"amount\":\(reserved.decimal),\"currency\":\"USD\"}"
        body.append(contentsOf: "\(amount),\"job\":{\"id\":".utf8)
        JSONText.appendQuoted(key.id.utf8, to: &body)
        body.append(contentsOf: ",\"customer\":".utf8)
        JSONText.appendQuoted(key.customer.utf8, to: &body)
        body.append(contentsOf: ",\"attempt\":\(attempt)}}".utf8)
        return body
    }
}

extension GatewayStreamEnd {
    var failure: GatewayFailure? {
        if case .failed(let failure) = self { failure } else { nil }
    }
}
