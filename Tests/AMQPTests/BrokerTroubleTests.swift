import Glibc
import TestSupport
import Testing

@testable import AMQP

/// Against a broker of its own, one test after the other: it is killed, stopped and starved.
@Suite(.serialized) struct BrokerTroubleTests {
    private let broker: TestBroker
    private let fixture: Fixture

    init() throws {
        broker = try TestBroker.named("trouble")
        fixture = try Fixture(broker)
    }

    /// Everything that was confirmed is there after kill -9; everything else is reported, and nothing twice.
    @Test func killedWhilePublishing() async throws {
        let queue = uniqueName("kill")
        try fixture.session.declareQueue(queue, durable: true)
        // `declare-ok` comes before the name of a classic queue is on the disk.
        try broker.run("ctl", "eval", "mnesia:sync_log().")
        let (connection, recorder) = try fixture.publisher(window: 200)
        let count = 20_000
        let shared = try template(queue, isPersistent: true)
        recorder.offer((0..<count).map { .init(template: shared, body: Array("\($0)".utf8), token: UInt64($0)) })
        let process = try broker.processID
        connection.wake()
        try await recorder.log.wait("some confirms") { $0.count > 1000 }
        kill(process, SIGKILL)
        let (error, unconfirmed) = try await recorder.lost()
        #expect([.connectionLost, .connectionClosed].contains(error.code))
        let confirmed = recorder.log.events.prefix { if case .lost = $0 { false } else { true } }.compactMap {
            if case .confirmed(let token) = $0 { token } else { nil }
        }
        #expect(Set(confirmed).isDisjoint(with: unconfirmed))
        // Tokens were published in order: confirmed and unconfirmed together are all up to the last.
        let seen = (confirmed + unconfirmed).sorted()
        #expect(seen == Array(0..<UInt64(seen.count)))
        #expect(unconfirmed == unconfirmed.sorted())
        try broker.run("start", "--tls")
        recorder.offer(unconfirmed.map { .init(template: shared, body: Array("\($0)".utf8), token: $0) })
        try await recorder.saw(.opened(2), timeout: .seconds(60))
        connection.wake()
        try await recorder.log.wait("all confirmed", timeout: .seconds(60)) { events in
            // This runs on the connection's thread, at every event: the set is made only when it may be complete.
            events.count > count
                && Set(events.compactMap { if case .confirmed(let token) = $0 { token } else { nil } }).count == count
        }
        await connection.close(deadline: .seconds(5))

        let session = try AMQPSession(configuration: fixture.configuration)
        try session.consume(queue, noAck: true)
        var arrived: Set<String> = []
        while arrived.count < count, let delivery = try session.receive(timeout: .seconds(5)) {
            arrived.insert(String(decoding: delivery.body, as: UTF8.self))
        }
        #expect(arrived.count == count)
        try session.deleteQueue(queue)
        session.close()
    }

    /// A broker that is stopped, not gone: the sockets stay open and say nothing.
    @Test func halfOpenIsNoticedOnBothSides() async throws {
        var configuration = fixture.configuration
        configuration.heartbeat = .seconds(2)
        let consuming = ConsumerRecorder()
        let lease = DeliveryLease()
        let publishing = PublisherRecorder()
        let consumer = ConsumerConnection(
            configuration: configuration, topology: Topology(), consumptions: [], delegate: consuming,
            lease: lease, maximumBodySize: 1, logger: quiet)
        let publisher = PublisherConnection(
            configuration: configuration, window: 1000, driver: publishing, logger: quiet)
        try consumer.start()
        try publisher.start()
        try await consuming.opened(1)
        try await publishing.saw(.opened(1))
        let process = try broker.processID
        kill(process, SIGSTOP)
        defer { kill(process, SIGCONT) }
        let start = ContinuousClock.now
        // More than every socket buffer holds: what does not fit must not hang the thread.
        let shared = try template("nowhere")
        let body = [UInt8](repeating: 1, count: 20_000)
        publishing.offer((0..<1000).map { .init(template: shared, body: body, token: UInt64($0)) })
        publisher.wake()
        let (_, unconfirmed) = try await publishing.lost(timeout: .seconds(10))
        let error = try await consuming.lost(timeout: .seconds(10))
        #expect(ContinuousClock.now - start < .seconds(5.5))
        #expect(error.code == .connectionLost)
        #expect(!unconfirmed.isEmpty)
        // Its deliveries were in doubt before that.
        let events = consuming.log.events
        let silent = events.firstIndex { if case .silent(1) = $0 { true } else { false } }
        let lost = events.firstIndex { if case .lost = $0 { true } else { false } }
        #expect(try #require(silent) < (try #require(lost)))
        #expect(!lease.isValid && lease.isOver(for: 1))
        kill(process, SIGCONT)
        try await consuming.opened(2)
        try await publishing.saw(.opened(2))
        await consumer.close()
        await publisher.close(deadline: .seconds(5))
    }

    /// Silence that ends in time: the deliveries are in doubt, and then this consumer's still.
    @Test func aShortSilenceIsNoLoss() async throws {
        let queue = uniqueName("silence")
        try fixture.session.declareQueue(queue, durable: true)
        try fixture.session.publish(routingKey: queue, body: [1])
        var configuration = fixture.configuration
        configuration.heartbeat = .seconds(2)
        let recorder = ConsumerRecorder()
        let lease = DeliveryLease()
        let consumer = ConsumerConnection(
            configuration: configuration, topology: Topology(),
            consumptions: [Consumption(queue: queue, prefetch: 1)], delegate: recorder, lease: lease,
            maximumBodySize: 1, logger: quiet)
        try consumer.start()
        let delivery = try #require(try await recorder.deliveries(1).first)
        // A delivery just after the broker's look at its own output makes the longest pause.
        let calm = Task {
            try await recorder.log.first("silence", timeout: .seconds(5)) { event in
                if case .silent = event { true } else { nil }
            }
        }
        if case .success = await calm.result { Issue.record("a living broker was taken as silent") }
        #expect(lease.isValid)
        let process = try broker.processID
        kill(process, SIGSTOP)
        defer { kill(process, SIGCONT) }
        _ = try await recorder.log.first("silence") { event in if case .silent(1) = event { true } else { nil } }
        #expect(!lease.isValid)
        kill(process, SIGCONT)
        _ = try await recorder.log.first("voice") { event in if case .heard(1) = event { true } else { nil } }
        #expect(lease.isValid)
        consumer.acknowledge(delivery.tag)
        await consumer.close()
        #expect(!lease.isValid)
        #expect(!recorder.log.events.contains { if case .lost = $0 { true } else { false } })
        let session = try AMQPSession(configuration: fixture.configuration)
        #expect(try session.inspectQueue(queue).messageCount == 0)
        try session.deleteQueue(queue)
        session.close()
    }

    /// A call that is stuck inside the library, which has no deadline of its own: one body larger than all buffers.
    @Test func aPublishThatHangsIsBroken() async throws {
        var configuration = fixture.configuration
        configuration.heartbeat = .seconds(2)
        let recorder = PublisherRecorder()
        let publisher = PublisherConnection(configuration: configuration, window: 10, driver: recorder, logger: quiet)
        try publisher.start()
        try await recorder.saw(.opened(1))
        let process = try broker.processID
        kill(process, SIGSTOP)
        defer { kill(process, SIGCONT) }
        let start = ContinuousClock.now
        recorder.offer([
            .init(template: try template("nowhere"), body: [UInt8](repeating: 1, count: 40 << 20), token: 5)
        ])
        publisher.wake()
        let (_, unconfirmed) = try await recorder.lost(timeout: .seconds(10))
        #expect(ContinuousClock.now - start < .seconds(5.5))
        #expect(unconfirmed == [5])
        kill(process, SIGCONT)
        try await recorder.saw(.opened(2))
        await publisher.close(deadline: .seconds(5))
    }

    /// The same where the broker is alive: under an alarm it sends heartbeats, and reads nothing for ever.
    @Test func aPublishThatHangsUnderAnAlarmIsBroken() async throws {
        fixture.session.close()
        var configuration = fixture.configuration
        configuration.heartbeat = .seconds(2)
        let recorder = PublisherRecorder()
        let publisher = PublisherConnection(configuration: configuration, window: 10, driver: recorder, logger: quiet)
        try publisher.start()
        try await recorder.saw(.opened(1))
        try broker.control("set_vm_memory_high_watermark", "0.000001")
        defer { _ = try? broker.control("set_vm_memory_high_watermark", "0.5") }
        let start = ContinuousClock.now
        recorder.offer([
            .init(template: try template("nowhere"), body: [UInt8](repeating: 1, count: 40 << 20), token: 5)
        ])
        publisher.wake()
        let loss = await Task { try await recorder.lost(timeout: .seconds(10)) }.result
        let elapsed = ContinuousClock.now - start
        try broker.control("set_vm_memory_high_watermark", "0.5")
        let (_, unconfirmed) = try loss.get()
        #expect(elapsed < .seconds(5.5))
        #expect(unconfirmed == [5])
        await publisher.close(deadline: .seconds(5))
    }

    /// Under a memory alarm the publisher waits, without losing its connection, however long; acks go on.
    @Test func blockedByAnAlarm() async throws {
        let queue = uniqueName("alarm")
        try fixture.session.declareQueue(queue, durable: true)
        try fixture.session.publish(routingKey: queue, body: [1])
        fixture.session.close()
        var configuration = fixture.configuration
        configuration.heartbeat = .seconds(1)
        let (consumer, consuming) = try fixture.consumer([Consumption(queue: queue, prefetch: 10)])
        let delivery = try #require(try await consuming.deliveries(1).first)
        let recorder = PublisherRecorder()
        let publisher = PublisherConnection(
            configuration: configuration, window: 2000, driver: recorder, logger: quiet)
        try publisher.start()
        try await recorder.saw(.opened(1))

        try broker.control("set_vm_memory_high_watermark", "0.000001")
        defer { _ = try? broker.control("set_vm_memory_high_watermark", "0.5") }
        let shared = try template(queue)
        // More bytes than the socket buffers hold, offered before the broker says that it is blocked.
        let body = [UInt8](repeating: 1, count: 20_000)
        recorder.offer((0..<1500).map { .init(template: shared, body: body, token: UInt64($0)) })
        publisher.wake()
        try await recorder.saw(.blocked(true))
        #expect(!recorder.log.events.contains(.confirmed(1499)))
        consumer.acknowledge(delivery.tag)
        // Longer than two heartbeats and a second: neither heartbeats nor kernel nor watchdog may break it.
        let calm = Task { try await recorder.lost(timeout: .seconds(5)) }
        if case .success((let error, _)) = await calm.result { Issue.record("lost while blocked: \(error)") }
        let unacknowledged = try broker.control("list_queues", "--no-table-headers", "name", "messages_unacknowledged")
        #expect(unacknowledged.contains("\(queue)\t0"), "the ack was not processed under the alarm: \(unacknowledged)")

        try broker.control("set_vm_memory_high_watermark", "0.5")
        try await recorder.saw(.blocked(false))
        for token in UInt64(0)..<1500 { try await recorder.saw(.confirmed(token)) }
        #expect(!recorder.log.events.contains { if case .lost = $0 { true } else { false } })
        await publisher.close(deadline: .seconds(5))
        await consumer.close()
        let session = try AMQPSession(configuration: fixture.configuration)
        try session.deleteQueue(queue)
        session.close()
    }

    @Test func restartIsSurvivedByTheConsumer() async throws {
        let queue = uniqueName("restart")
        let topology = Topology(queues: [.init(name: queue, arguments: ["x-queue-type": .string("quorum")])])
        let (consumer, recorder) = try fixture.consumer([Consumption(queue: queue, prefetch: 10)], topology: topology)
        try await recorder.opened(1)
        try fixture.session.publish(
            routingKey: queue, properties: MessageProperties(isPersistent: true), body: [1])
        let first = try #require(try await recorder.deliveries(1).first)
        try broker.run("restart")
        let error = try await recorder.lost()
        #expect([.connectionClosed, .connectionLost].contains(error.code))
        consumer.acknowledge(first.tag)
        try await recorder.opened(2, timeout: .seconds(60))
        let again = try await recorder.deliveries(2)[1]
        #expect(again.redelivered && again.tag.generation == 2)
        consumer.acknowledge(again.tag)
        await consumer.close()
        let session = try AMQPSession(configuration: fixture.configuration)
        #expect(try session.inspectQueue(queue).messageCount == 0)
        try session.deleteQueue(queue)
        session.close()
    }
}
