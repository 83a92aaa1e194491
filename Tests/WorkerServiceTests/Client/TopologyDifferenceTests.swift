import AMQP
import JobRunner
import Testing

@testable import WorkerService

struct TopologyDifferenceTests {
    @Test(arguments: [
        ("3.7.28", 3), ("3.8.9", 2), ("3.9.29", 1), ("3.10.0", 0), ("3.13.7", 0), ("4.1.0-rc.1", 0),
    ])
    func whatAVersionCannotDoIsTold(_ text: String, _ count: Int) throws {
        let version = try #require(BrokerVersion(text))
        let limits = TopologyDifference.limits(ofVersion: version)
        #expect(limits.count == count)
        #expect(limits.allSatisfy { $0.hasPrefix("RabbitMQ \(version) has no ") })
    }

    @Test func permissionsNameNoMoreThanThePlan() throws {
        var plan = TopologyPlan(names: QueueNames(prefix: "a.b"))
        plan.replyExchange = "replies"
        let least = plan.permissions(declaredReplies: "a.b.reply.{customer}")
        let (configure, write, read) = (
            try Regex(least.configure), try Regex(least.write), try Regex(least.read)
        )
        for queue in plan.topology.queues {
            for expression in [configure, write, read] {
                #expect(queue.name.wholeMatch(of: expression) != nil, "\(queue.name)")
            }
        }
        for exchange in plan.topology.exchanges {
            #expect(exchange.name.wholeMatch(of: configure) != nil)
            #expect(exchange.name.wholeMatch(of: write) != nil)
        }
        #expect("a.b.reply.acme".wholeMatch(of: configure) != nil)
        #expect("a.b.reply.acme".wholeMatch(of: read) == nil, "it reads nobody's replies")
        for name in ["axb.jobs", "a.b.jobsx", "a.b", "other.jobs", "amq.default"] {
            #expect(name.wholeMatch(of: configure) == nil, "\(name)")
        }
        #expect("amq.default".wholeMatch(of: write) != nil)
    }
}
