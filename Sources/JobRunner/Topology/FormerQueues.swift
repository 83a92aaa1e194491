package import AMQP

/// Queues that an earlier version of the worker has declared, without a delivery limit of their own: what that means on
/// this broker, and what an operator can do. They go on working; arguments of a queue that is there cannot be changed.
package struct FormerQueues: Sendable, Equatable {
    package var queues: [String]
    package var virtualHost: String

    /// RabbitMQ 4's limit of a queue that says nothing (RabbitMQ, "Quorum Queues: Poison Message Handling").
    package static let defaultLimit: Int64 = 20

    package init(queues: [String], virtualHost: String) {
        self.queues = queues.sorted()
        self.virtualHost = virtualHost
    }

    /// Whether this broker drops what came back too often where no policy says otherwise. A policy cannot be seen over AMQP.
    package static func mayLose(on version: BrokerVersion?) -> Bool {
        version.map { $0 >= BrokerVersion(4, 0) } ?? false
    }

    /// One sentence or two.
    package func meaning(on version: BrokerVersion?) -> String {
        let subject =
            queues.joined(separator: ", ") + (queues.count == 1 ? " was" : " were")
            + " declared by an earlier version of the worker, without a delivery limit, and "
            + (queues.count == 1 ? "goes" : "go") + " on working"
        return Self.mayLose(on: version)
            ? "\(subject). Without a policy this broker drops a message there that came back \(Self.defaultLimit) times"
            : "\(subject). Set the policy before the broker is upgraded to RabbitMQ 4, which drops a message there that came "
                + "back \(Self.defaultLimit) times"
    }

    /// All that an operator needs: what it means, the policy, and the way without one.
    package func advice(on version: BrokerVersion?) -> String {
        """
        \(meaning(on: version)). This lifts the limit at once:
          \(policy)
        Of several policies that match a queue only one applies: if there is one already, add the key to that. Or make the \
        queue anew:
          1. stop the workers when it is empty (rabbitmqctl list_queues name messages; dead letters: chat-worker dead)
          2. rabbitmqctl delete_queue -p '\(virtualHost)' QUEUE --if-empty
          3. chat-worker topology --declare, then start the workers again
        """
    }

    /// The line that lifts the limit, on every version, at once, and without making the queues anew.
    package var policy: String {
        let names = queues.map { TopologyPlan.escaped($0) }.joined(separator: "|")
        return "rabbitmqctl set_policy -p '\(virtualHost)' chat-worker-delivery-limit '^(\(names))$' "
            + "'{\"delivery-limit\":\(TopologyPlan.noDeliveryLimit)}' --apply-to queues"
    }
}
