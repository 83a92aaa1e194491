package import AMQP
package import ChatModel
package import JobRunner

/// Writes a cancel: what `cancel` does, and what any backend does. Blocking; one thread.
package enum JobCanceller {
    /// What workers said of the job within the time that was waited.
    package enum Answer: Sendable, Equatable {
        /// It ended: `cancelled`, or `completed` or `failed` where the cancel came too late.
        case ended(outcome: String)
        /// A worker has the job, and the cancel concerns an earlier one of that id.
        case ignored(reason: String)
        /// Nobody said anything: the job is over, waits where no worker has it, or was never there.
        case nothing
    }

    /// Returns when the broker has confirmed it, and with `wait` when workers have said what came of it.
    ///
    /// - Throws: `Unavailable` where nothing takes cancels, `AMQPError`.
    @discardableResult
    package static func cancel(
        job: String, customer: String, configuration: AMQPConfiguration, names: QueueNames,
        now: Timestamp = WallClock.now(), wait: Duration? = nil
    ) throws -> Answer {
        let session = try AMQPSession(configuration: configuration, role: "cancel")
        defer { session.close() }
        // Read from before it is written on, the answer cannot be missed.
        if wait != nil { try follow(names.journal, session) }
        let body = JSONValue.object([.init("id", .string(job)), .init("customer", .string(customer))])
        let outcome: AMQPSession.PublishOutcome
        do throws(AMQPError) {
            outcome = try session.publish(
                exchange: names.intake, routingKey: "cancel",
                properties: MessageProperties(
                    contentType: "application/json", isPersistent: true, messageID: job,
                    // It tells this cancel from a job that is enqueued later with the same id.
                    timestamp: UInt64(clamping: now.milliseconds / 1_000), type: "cancel",
                    // The workers' own login may speak for every customer.
                    userID: configuration.username),
                body: body.serialized(), mandatory: true)
        } catch {
            throw Unavailable.missing("the exchange \(names.intake)", where: error)
        }
        switch outcome {
        case .confirmed: break
        case .returned: throw Unavailable.missing("the stream \(names.control), which takes cancels,")
        case .rejected: throw Unavailable("the broker refused the cancel")
        }
        guard let wait else { return .nothing }
        let deadline = ContinuousClock.now + wait
        while let delivery = try session.receive(timeout: max(.zero, deadline - .now)) {
            try session.acknowledge(delivery)
            let event = JournalEvent(delivery, job: job, workerUser: configuration.username)
            guard let event, event.customer == customer else { continue }
            switch event.kind {
            case .usage(let usage) where usage.isLast: return .ended(outcome: usage.outcome)
            case .cancelIgnored(let reason): return .ignored(reason: reason)
            default: continue
            }
        }
        return .nothing
    }

    private static func follow(_ stream: String, _ session: AMQPSession) throws {
        do throws(AMQPError) {
            try session.consume(stream, prefetch: 1_000, arguments: ["x-stream-offset": .string("next")])
        } catch {
            throw Unavailable.missing("the stream \(stream)", where: error)
        }
    }
}
