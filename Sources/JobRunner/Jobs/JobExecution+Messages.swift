internal import AMQP
internal import ChatModel
internal import Logging

/// What a job publishes at its end, or to go on elsewhere. On its event loop.
extension JobExecution {
    func complete(_ outcome: JobMachine.Outcome) {
        let outcome = isTooLargeForBroker && !outcome.isCancellation ? .failed(.answerTooLargeForBroker) : outcome
        self.outcome = outcome
        accountForTheDead()
        if timings.ended == 0 { timings.ended = JobTimings.now() }
        if case .failed(let failure) = outcome { endAttemptSpan(failure.code) } else { endAttemptSpan(nil) }
        let stream = stream ?? makeStream()
        if stream.end(isComplete: outcome == .completed) { shard.enqueue(stream, on: loop) }
        // Made of a copy, which shares its bytes with the log: the publisher thread need not wait for it.
        let (log, attempt, run) = stream.snapshot()
        var terminal = ending(outcome, log, attempt: attempt, run: run)
        // Said already, before the webhook was found to be too large.
        if isTooLargeForBroker, replyArrived { terminal.reply = nil }
        endWasTooLarge = false
        if stream.finish(terminal) { shard.enqueue(stream, on: loop) }
        heed(receipts.sentEnd(terminal.companions.count + (terminal.reply == nil ? 0 : 1)))
    }

    private func ending(
        _ outcome: JobMachine.Outcome, _ log: borrowing AnswerLog, attempt: AttemptNumber, run: String
    ) -> AnswerStream.Terminal {
        let last = lastCharge(outcome, log, attempt)
        if isKiller, case .failed(let failure) = outcome {
            let event = JobEvent.message(
                .dead, of: job.key, .init(attempt: attempt.value, queue: host.names.dead, failure: failure), host)
            if let event { shard.publish(event) }
        }
        let writer = writer(attempt, wasted: parked.tokensWasted, shown: last, last, log)
        if isTooLargeForBroker {
            // Hash, usage and cost are told; the text is what the broker does not take.
            return JobEnding(
                host: host, job: routed, outcome: outcome, writer: writer, event: writer, eventLog: copy log,
                receipt: receipt
            ).terminal(
                AnswerLog(defaults: .init(id: "", model: route.upstreamModel, created: 0)), attempt: attempt, run: run,
                of: delivery)
        }
        // A later try that came to nothing must not hide the text of an earlier one, which was paid for.
        if case .failed = outcome, let (best, charge) = bestPartial?.value,
            best.outputChunks > log.outputChunks
        {
            let shown = self.writer(
                attempt, wasted: parked.tokensWasted - best.outputChunks, shown: charge ?? last, last, best)
            return JobEnding(
                host: host, job: routed, outcome: outcome, writer: shown, event: writer, eventLog: copy log,
                receipt: receipt
            ).terminal(best, attempt: attempt, run: run, of: delivery)
        }
        return JobEnding(
            host: host, job: routed, outcome: outcome, writer: writer, event: writer, eventLog: copy log,
            deadTries: isKiller ? machine.tries : nil, receipt: receipt
        ).terminal(log, attempt: attempt, run: run, of: delivery)
    }

    private func writer(
        _ attempt: AttemptNumber, wasted: Int, shown: Charge, _ last: Charge, _ log: borrowing AnswerLog
    ) -> ResultWriter {
        ResultWriter(
            job: routed, attempt: attempt, tries: machine.tries, timings: timings, tokensWasted: wasted, shown: shown,
            charges: current == nil ? charges : charges + [last], costBefore: parked.costBefore, log)
    }

    /// For each message that ends the job, when it is confirmed.
    private var receipt: @Sendable (_ isReply: Bool, DurableMessage.Settlement) -> Void {
        let loop = loop
        return { isReply, settlement in
            loop.execute { self.settled(isReply, settlement) }
        }
    }

    private func settled(_ isReply: Bool, _ settlement: DurableMessage.Settlement) {
        if isReply, settlement == .unroutable { replyWasUnroutable = true }
        note(isReply, settlement)
        heed(receipts.settled(.end, settlement))
    }

    private func note(_ isReply: Bool, _ settlement: DurableMessage.Settlement) {
        switch settlement {
        case .undeliverable(let fault) where fault.isTooLarge: endWasTooLarge = true
        case .undeliverable(let fault): if isReply { undeliverable = fault }
        case .confirmed, .unroutable, .refused: if isReply { replyArrived = true }
        case .void: break
        }
    }

    /// The broker takes no message that holds the text so far: the job ends without it.
    func textWasTooLarge() {
        guard !isTooLargeForBroker else { return }
        isTooLargeForBroker = true
        guard machine.phase == .completing else { return perform(machine.timeExpired(.answerTooLargeForBroker)) }
        // Its end waits for a chunk that never goes.
        if !machine.isMoving, stream?.recall() == true { endTakenBack() }
    }

    /// All is settled, but the reply or the webhook of the end was too large: the same end follows without its text.
    private func endsWithoutText() -> Bool {
        guard endWasTooLarge else { return false }
        guard !isTooLargeForBroker, !machine.isMoving else {
            host.logger.error("a job's end is too large for the broker", metadata: [LogKey.job: "\(job.id)"])
            return false
        }
        isTooLargeForBroker = true
        stream?.reopen(hasReply: replyArrived)
        endTakenBack()
        return true
    }

    /// A usage event of an attempt before the last is confirmed.
    func eventSettled(_ settlement: DurableMessage.Settlement) { heed(receipts.settled(.earlier, settlement)) }

    private func heed(_ verdict: ReceiptCounter.Verdict) {
        switch verdict {
        case .waiting: return
        case .notFinished: return perform(machine.claimedElsewhere())
        case .finished: if endsWithoutText() { return }
        }
        tell("its end is confirmed")
        if !machine.hasDelivery {
            // Whoever has the job now need not run it.
            host.control.announceFinished(job.key, finished)
        }
        perform(machine.receiptsConfirmed())
    }

    func handBack() { move(to: delivery.queue, .handedBack) }

    /// Into the waiting queue that holds the most of `wait`, and the rest thereafter.
    func park(_ wait: Duration) {
        parked.notBefore = host.wallClock().milliseconds + wait.milliseconds
        if parked.origin == nil { parked.origin = delivery.queue }
        host.counters.parked.add(1, ordering: .relaxed)
        move(to: host.waitingQueue(for: wait, &parked) ?? delivery.queue, .parked)
    }

    private func tellMove(to queue: String, _ place: Failpoint) {
        let isParked = place == .parked
        let event = JobEvent.message(
            isParked ? .parked : .handedBack, of: job.key,
            .init(attempt: machine.attempt.value, queue: queue, notBefore: isParked ? parked.notBefore : nil), host)
        if let event { shard.publish(event) }
    }

    private func move(to queue: String, _ place: Failpoint) {
        stream?.abandon()
        host.counters.handedBack.add(place == .handedBack ? 1 : 0, ordering: .relaxed)
        settleAttempt()
        accountForTheDead()
        parked.spent = machine.spent
        parked.costBefore = parked.costBefore + (charges.total ?? .zero)
        _ = receipts.sentEnd(1)
        tellMove(to: queue, place)
        let receipt = receipt
        do throws(AMQPError) {
            let message = try Messages.republished(
                delivery, to: queue, customer: job.customer, host: host, adding: parked.headers,
                settled: {
                    place.hit()
                    receipt(false, $0)
                })
            shard.publish(message)
        } catch {
            // Not acked, the broker gives it to another worker when this one's connection closes.
            host.logger.error(
                "job cannot be moved", metadata: [LogKey.job: "\(job.id)", LogKey.error: "\(error)"])
        }
    }
}
