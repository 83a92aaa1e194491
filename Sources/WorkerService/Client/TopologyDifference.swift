package import AMQP
package import JobRunner

/// What the broker has of a topology, and what it has otherwise. Blocking; one thread. It changes nothing: it asks for each
/// thing passively, and declares what is there once more, which the broker refuses where anything differs.
package struct TopologyDifference: Sendable, Equatable {
    package enum State: Sendable, Equatable {
        case same
        case missing
        /// As an earlier version of the worker declared it: it goes on working.
        case former
        /// In the broker's words.
        case different(String)
    }

    /// `nil` where the broker does not say.
    package private(set) var brokerVersion: BrokerVersion?
    package private(set) var exchanges: [String: State] = [:]
    package private(set) var queues: [String: State] = [:]
    private let virtualHost: String

    /// - Throws: `AMQPError` where the broker cannot be asked.
    package init(_ topology: Topology, configuration: AMQPConfiguration) throws(AMQPError) {
        let session = try AMQPSession(configuration: configuration, role: "topology")
        defer { session.close() }
        brokerVersion = session.brokerVersion
        virtualHost = configuration.virtualHost
        for exchange in topology.exchanges {
            exchanges[exchange.name] = try Self.state(
                { () throws(AMQPError) in try session.inspectExchange(exchange.name) },
                { () throws(AMQPError) in try session.declare(Topology(exchanges: [exchange])) })
        }
        for queue in topology.queues {
            queues[queue.name] = try Self.state(
                { () throws(AMQPError) in _ = try session.inspectQueue(queue.name) },
                { () throws(AMQPError) in try session.declare(Topology(queues: [queue])) })
        }
    }

    private static func state(
        _ inspect: () throws(AMQPError) -> Void, _ declare: () throws(AMQPError) -> [String]
    ) throws(AMQPError) -> State {
        do throws(AMQPError) {
            try inspect()
        } catch {
            // Asked passively, a queue of another kind is there all the same.
            guard error.replyCode == 404 else { throw error }
            return .missing
        }
        do throws(AMQPError) {
            return try declare().isEmpty ? .same : .former
        } catch {
            guard error.replyCode == 406 else { throw error }
            return .different(error.message)
        }
    }

    /// Names of queues and exchanges that are there and different.
    package var conflicts: [(name: String, said: String)] {
        (Array(exchanges) + Array(queues)).compactMap { name, state in
            if case .different(let said) = state { (name, said) } else { nil }
        }.sorted { $0.0 < $1.0 }
    }

    /// Queues of an earlier version; `nil`: there are none.
    package var former: FormerQueues? {
        let names = queues.compactMap { name, state in state == .former ? name : nil }
        return names.isEmpty ? nil : FormerQueues(queues: names, virtualHost: virtualHost)
    }

    /// What this version of the broker cannot do that the worker needs.
    package var limits: [String] { brokerVersion.map { Self.limits(ofVersion: $0) } ?? [] }

    static func limits(ofVersion version: BrokerVersion) -> [String] {
        var limits: [String] = []
        if version < BrokerVersion(3, 8) { limits.append("quorum queues (since 3.8): no job can be kept safely") }
        if version < BrokerVersion(3, 9) {
            limits.append("streams (since 3.9): no cancels, no budgets, no endpoint states")
        }
        if version < BrokerVersion(3, 10) {
            limits.append(
                "message TTL and at-least-once dead-lettering of quorum queues (since 3.10): no waiting queues")
        }
        return limits.map { "RabbitMQ \(version) has no " + $0 }
    }

    /// What to do about a conflict. A queue with other arguments can only be made anew.
    package static func move(_ name: String) -> String {
        """
        \(name) stays as it is, and the worker does not consume while it differs. Either give the configuration the old value \
        back, or move:
          1. stop backends that publish to it, or let them keep what is returned (`mandatory`)
          2. let the workers empty it (rabbitmqctl list_queues name messages), then stop them
          3. rabbitmqctl delete_queue \(name) --if-empty
          4. chat-worker topology --declare, then start all again
        """
    }
}
