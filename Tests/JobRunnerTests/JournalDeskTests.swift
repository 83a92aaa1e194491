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

    private static func desk(
        _ budgets: BudgetPolicy, _ seen: Seen, publish: @escaping @Sendable (DurableMessage) -> Void = { _ in },
        changed: @escaping @Sendable (JobKey?) -> Void = { _ in }
    ) throws -> JournalDesk {
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
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, publish: publish)
        desk.attach(
            JournalDesk.Actions(
                released: { jobs in seen.released.withLock { $0.append(jobs) } }, suspicionChanged: changed,
                mustReread: {}))
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

    /// What the events of workers say of one job.
    @Test func theJournalTellsWhoDied() throws {
        let changed = Mutex<[JobKey?]>([])
        let desk = try Self.desk(BudgetPolicy(), Seen(), changed: { key in changed.withLock { $0.append(key) } })
        let key = JobKey(customer: "acme", id: "j")
        func start(_ attempt: Int64, _ worker: String) -> AttemptStart {
            var start = AttemptStart(
                key: key, attempt: attempt, began: WallClock.now().milliseconds, gateway: "main", model: "m",
                price: nil, promptTokens: 1, mostTokens: 1)
            (start.worker, start.suspects) = (worker, 1)
            return start
        }
        func tell(_ start: AttemptStart, _ outcome: Charge.Outcome) {
            let headers = JournalMessage.headers(
                key, Charge(start, usage: .none, outcome: outcome), time: WallClock.now())
            desk.received(Self.event(JournalMessage.Kind.usage, headers))
        }
        func begin(_ start: AttemptStart) {
            desk.received(Self.event(JournalMessage.Kind.started, JournalMessage.headers(start)))
        }
        begin(start(1, "w"))
        begin(start(1_001, "v"))
        begin(start(2_001, desk.instance))
        #expect(desk.record(of: key) == DeathRecord(workers: ["w", "v"], unheard: 2, trials: [1, 1]))
        tell(start(1, "w"), .killed)
        #expect(desk.record(of: key).workers == ["w", "v"], "one is proven, one may be")
        tell(start(1_001, "v"), .discarded)
        #expect(desk.record(of: key).workers == ["w"], "v was only cut off")
        tell(start(1, "w"), .discarded)
        #expect(desk.record(of: key).deaths == 0, "so was w, and spoke late")
        #expect(changed.withLock { $0 } == [key, key])
        begin(start(3_001, "u"))
        tell(start(3_001, "u"), .killed)
        tell(start(2_001, desk.instance), .completed)
        #expect(desk.record(of: key).deaths == 0, "it has ended")
    }

    /// One mark serves all who ask while another one is on its way.
    @Test func whoCatchesUpHasReadAllBefore() throws {
        let resumed = Mutex<[Int]>([])
        let sent = Mutex(0)
        let desk = try Self.desk(BudgetPolicy(), Seen(), publish: { _ in sent.withLock { $0 += 1 } })
        for number in 1...3 { desk.catchUp { resumed.withLock { $0.append(number) } } }
        let first = try #require(desk.catchUpMark)
        #expect(sent.withLock { $0 } == 1)
        desk.received(Self.event(JournalMessage.Kind.sync, [:], id: first))
        #expect(resumed.withLock { $0 } == [1])
        let second = try #require(desk.catchUpMark)
        #expect(second != first && sent.withLock { $0 } == 2)
        desk.received(Self.event(JournalMessage.Kind.sync, [:], id: first))
        #expect(resumed.withLock { $0 } == [1])
        desk.received(Self.event(JournalMessage.Kind.sync, [:], id: second))
        #expect(resumed.withLock { $0 } == [1, 2, 3])
        desk.catchUp { resumed.withLock { $0.append(4) } }
        let third = desk.catchUpMark
        desk.lost()
        desk.received(Self.event(JournalMessage.Kind.sync, [:], id: third))
        #expect(resumed.withLock { $0 } == [1, 2, 3], "its delivery is lost")
    }

    private static func event(_ type: String, _ headers: FieldTable, id: String? = nil) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: 1, value: 9), queue: names.journal, redelivered: false, exchange: "",
            routingKey: names.journal,
            properties: MessageProperties(headers: headers, messageID: id, type: type, userID: "worker"), body: [])
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
