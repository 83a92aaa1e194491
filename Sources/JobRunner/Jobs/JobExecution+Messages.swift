internal import AMQP
internal import ChatModel
internal import Logging

/// What a job publishes at its end, or to go on elsewhere. On its event loop.
extension JobExecution {
    func complete(_ outcome: JobMachine.Outcome) {
        self.outcome = outcome
        if timings.ended == 0 { timings.ended = JobTimings.now() }
        let stream = stream ?? makeStream()
        if stream.end() { shard.enqueue(stream, on: loop) }
        // Made of a copy, which shares its bytes with the log: the publisher thread need not wait for it.
        let (log, attempt, run) = stream.snapshot()
        let terminal = ending(outcome, log, attempt: attempt, run: run)
        pendingReceipts = terminal.companions.count + (terminal.reply == nil ? 0 : 1)
        if stream.finish(terminal) { shard.enqueue(stream, on: loop) }
    }

    private func ending(
        _ outcome: JobMachine.Outcome, _ log: borrowing AnswerLog, attempt: AttemptNumber, run: String
    ) -> AnswerStream.Terminal {
        // A later try that came to nothing must not hide the text of an earlier one, which was paid for.
        if case .failed = outcome, let best = bestPartial, best.outputChunks > log.outputChunks {
            return ending(outcome, of: best, wasted: parked.tokensWasted - best.outputChunks, attempt, run)
        }
        return ending(outcome, of: log, wasted: parked.tokensWasted, attempt, run)
    }

    private func ending(
        _ outcome: JobMachine.Outcome, of log: borrowing AnswerLog, wasted: Int, _ attempt: AttemptNumber,
        _ run: String
    ) -> AnswerStream.Terminal {
        let writer = ResultWriter(
            job: job, attempt: attempt, tries: machine.tries, timings: timings, tokensWasted: wasted, log)
        return JobEnding(host: host, job: job, outcome: outcome, writer: writer, receipt: receipt)
            .terminal(log, attempt: attempt, run: run, of: delivery)
    }

    /// For each message that ends the job, when it is confirmed.
    private var receipt: @Sendable (_ isReply: Bool, DurableMessage.Settlement) -> Void {
        let loop = loop
        return { isReply, settlement in
            loop.execute { self.settled(isReply, settlement) }
        }
    }

    private func settled(_ isReply: Bool, _ settlement: DurableMessage.Settlement) {
        guard settlement != .void else { return perform(machine.claimedElsewhere()) }
        if isReply, settlement == .unroutable { replyWasUnroutable = true }
        pendingReceipts -= 1
        guard pendingReceipts == 0 else { return }
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

    private func move(to queue: String, _ place: Failpoint) {
        stream?.abandon()
        host.counters.handedBack.add(place == .handedBack ? 1 : 0, ordering: .relaxed)
        parked.spent = machine.spent
        pendingReceipts = 1
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
