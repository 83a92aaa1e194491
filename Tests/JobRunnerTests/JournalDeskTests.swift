import AMQP
import ChatModel
import Logging
import NIOPosix
import Synchronization
import Testing
import Webhooks

@testable import JobRunner

/// Which jobs wait until the journal is read.
@Suite struct JournalDeskTests {
    private final class Seen: Sendable {
        let released = Mutex<[[Delivery]]>([])
    }

    private static let names = QueueNames(prefix: "chat")

    private static func desk(_ budgets: BudgetPolicy, _ seen: Seen) throws -> JournalDesk {
        var broker = try AMQPConfiguration(url: "amqp://worker:x@127.0.0.1:1")
        broker.username = "worker"
        let rules = JobRules(
            customerSource: .job, profiles: [:], models: [:],
            replies: ReplyRules(allow: [], defaultQueue: "r.{customer}"), webhookProblem: { _, _ in nil })
        let configuration = JobRunnerConfiguration(
            broker: broker, plan: TopologyPlan(names: names, jobRetryTiers: [100], webhookRetryTiers: [100]),
            rules: rules,
            gateways: [], webhooks: WebhookConfiguration(), budgets: budgets)
        let desk = JournalDesk(
            configuration: configuration, timers: MultiThreadedEventLoopGroup.singleton.next(),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, publish: { _ in })
        desk.attach(
            JournalDesk.Actions(released: { jobs in seen.released.withLock { $0.append(jobs) } }, mustReread: {}))
        return desk
    }

    private static func job(
        _ headers: FieldTable = [:], queue: String = names.jobs, redelivered: Bool = false
    ) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: 1, value: 1), queue: queue, redelivered: redelivered, exchange: "",
            routingKey: queue, properties: MessageProperties(headers: headers, userID: "worker"), body: [])
    }

    private static let begun = [
        job(redelivered: true), job(["x-delivery-count": .int(1)], redelivered: true), job(["x-republished": .int(1)]),
        job(queue: names.failed),
    ]

    @Test func withoutBudgetsOnlyJobsThatMayHaveBegunWait() throws {
        let seen = Seen()
        let desk = try Self.desk(BudgetPolicy(), seen)
        desk.opened(generation: 1)
        #expect(seen.released.withLock { $0.map(\.count) } == [0], "jobs may begin")
        #expect(!desk.holds(Self.job()))
        #expect(!desk.holds(Self.job(["x-delivery-count": .int(7)])), "its publisher's own")
        #expect(Self.begun.allSatisfy { desk.holds($0) })
        try Self.readMark(desk)
        #expect(seen.released.withLock { $0.map(\.count) } == [0, 4])
        #expect(!Self.begun.contains { desk.holds($0) })
    }

    @Test func withABudgetAllJobsWait() throws {
        let seen = Seen()
        var budgets = BudgetPolicy()
        budgets.standard.day = Money(billionths: 1)
        let desk = try Self.desk(budgets, seen)
        desk.opened(generation: 1)
        #expect(seen.released.withLock { $0.isEmpty })
        #expect(desk.holds(Self.job()) && desk.holds(Self.begun[0]))
        try Self.readMark(desk)
        #expect(seen.released.withLock { $0.map(\.count) } == [2])
        #expect(!desk.holds(Self.job()))
    }

    private static func readMark(_ desk: JournalDesk) throws {
        let mark = try #require(desk.mark)
        desk.received(
            Delivery(
                tag: DeliveryTag(generation: 1, value: 9), queue: names.journal, redelivered: false, exchange: "",
                routingKey: names.journal,
                properties: MessageProperties(messageID: mark, type: JournalMessage.Kind.sync, userID: "worker"),
                body: []))
    }
}
