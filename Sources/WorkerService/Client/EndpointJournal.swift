package import AMQP
import ChatModel
package import JobRunner

/// What the stream of endpoint events says about endpoints, for commands; and what an operator says of them. Blocking; one thread.
package enum EndpointJournal {
    /// Reads the journal up to now.
    ///
    /// - Throws: `Unavailable` where there is no such stream, or its end is not read in time; `AMQPError`.
    package static func read(
        configuration: AMQPConfiguration, names: QueueNames, timeout: Duration = .seconds(120)
    ) throws -> EndpointLedger {
        let deadline = ContinuousClock.now + timeout
        let session = try AMQPSession(configuration: configuration, role: "journal")
        defer { session.close() }
        do throws(AMQPError) {
            try session.consume(names.endpoints, prefetch: 1_000, arguments: ["x-stream-offset": .string("first")])
        } catch {
            throw Unavailable.missing("the stream \(names.endpoints)", where: error)
        }
        let mark = String(UInt64.random(in: .min ... .max), radix: 16)
        let outcome = try session.publish(
            routingKey: names.endpoints,
            properties: MessageProperties(
                isPersistent: true, messageID: mark, type: "mark", userID: configuration.username),
            body: [], mandatory: true)
        guard outcome == .confirmed else { throw Unavailable.missing("the stream \(names.endpoints)") }
        var ledger = EndpointLedger()
        while let delivery = try session.receive(timeout: deadline - .now) {
            try session.acknowledge(delivery)
            guard delivery.properties.userID == configuration.username else { continue }
            if delivery.properties.messageID == mark { return ledger }
            if let event = EndpointEvent(routingKey: delivery.routingKey, body: delivery.body) { ledger.note(event) }
        }
        throw Unavailable("the stream \(names.endpoints) was not read to its end within \(timeout)")
    }

    /// Writes the event down; every worker reads it within moments.
    ///
    /// - Throws: `Unavailable` where nothing keeps it; `AMQPError`.
    package static func write(_ event: EndpointEvent, configuration: AMQPConfiguration, names: QueueNames) throws {
        let session = try AMQPSession(configuration: configuration, role: "webhooks")
        defer { session.close() }
        let outcome: AMQPSession.PublishOutcome
        do throws(AMQPError) {
            outcome = try session.publish(
                exchange: names.events, routingKey: event.routingKey,
                properties: event.properties(user: configuration.username), body: event.body, mandatory: true)
        } catch {
            throw Unavailable.missing("the exchange \(names.events)", where: error)
        }
        switch outcome {
        case .confirmed: return
        case .returned: throw Unavailable.missing("the stream \(names.endpoints), which keeps events,")
        case .rejected: throw Unavailable("the broker refused the event")
        }
    }
}
