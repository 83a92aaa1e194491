package import AMQP
package import ChatModel
package import JobRunner

/// Writes a cancel: what `cancel` does, and what any backend does. Blocking; one thread.
package enum JobCanceller {
    /// Returns when the broker has confirmed it. Whether a worker finds the job to cancel nobody can know here.
    ///
    /// - Throws: `Unavailable` where nothing takes cancels, `AMQPError`.
    package static func cancel(
        job: String, customer: String, configuration: AMQPConfiguration, names: QueueNames,
        now: Timestamp = WallClock.now()
    ) throws {
        let session = try AMQPSession(configuration: configuration, role: "cancel")
        defer { session.close() }
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
        case .confirmed: return
        case .returned: throw Unavailable.missing("the stream \(names.control), which takes cancels,")
        case .rejected: throw Unavailable("the broker refused the cancel")
        }
    }
}
