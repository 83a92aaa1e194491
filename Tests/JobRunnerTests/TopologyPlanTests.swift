import AMQP
import Testing

@testable import JobRunner

@Suite struct TopologyPlanTests {
    /// RabbitMQ 4 gives a quorum queue that says nothing a limit of 20, and drops what comes back more often.
    @Test func everyQueueThatIsConsumedOrLookedAtSaysItsDeliveryLimit() throws {
        let plan = TopologyPlan()
        let names = plan.names
        for queue in plan.topology.queues where queue.arguments.string("x-queue-type") == "quorum" {
            // Nothing is ever taken from a waiting queue: it dead-letters what has waited.
            if queue.arguments["x-message-ttl"] != nil { continue }
            let limit = try #require(queue.arguments.integer("x-delivery-limit"), "\(queue.name)")
            switch queue.name {
            case names.failed, names.webhooks, names.orderedWebhooks, names.dead:
                #expect(limit == 1_000_000_000, "\(queue.name)")
                var former = queue.arguments
                former["x-delivery-limit"] = nil
                #expect(queue.formerArguments == former, "\(queue.name)")
            case names.suspectWebhooks:
                // No earlier version had it.
                #expect(limit == 1_000_000_000 && queue.formerArguments == nil, "\(queue.name)")
            default:
                #expect(
                    queue.arguments["x-dead-letter-exchange"] != nil && queue.formerArguments == nil, "\(queue.name)")
            }
        }
    }

    @Test(arguments: [
        ("3.10.8", false), ("3.13.7", false), ("4.0.0", true), ("4.0.5", true), ("4.3.6", true), ("", false),
    ])
    func formerQueuesAreToldWithThePolicy(version: String, mayLose: Bool) throws {
        let former = FormerQueues(queues: ["a.b.webhooks", "a.b.dead"], virtualHost: "/")
        #expect(
            former.policy
                == #"rabbitmqctl set_policy -p '/' chat-worker-delivery-limit '^(a\.b\.dead|a\.b\.webhooks)$' "#
                + #"'{"delivery-limit":1000000000}' --apply-to queues"#)
        let broker = BrokerVersion(version)
        #expect(FormerQueues.mayLose(on: broker) == mayLose)
        #expect(former.meaning(on: broker).contains("before the broker is upgraded") == !mayLose)
        #expect(former.advice(on: broker).contains(former.policy))
        #expect(former.advice(on: broker).contains("delete_queue"))
    }
}
