import TestSupport
import Testing

@testable import AMQP

/// Against a real broker.
@Suite struct ConsumerConnectionTests {
    private let broker: TestBroker
    private let fixture: Fixture

    init() throws {
        broker = try TestBroker.shared()
        fixture = try Fixture(broker)
    }

    private func queue(_ arguments: FieldTable = [:]) throws -> String {
        let name = uniqueName("consume")
        try fixture.session.declareQueue(name, durable: true, arguments: arguments)
        return name
    }

    @Test func deliversEverythingOfAMessage() async throws {
        let queue = try queue()
        let properties = MessageProperties(
            contentType: "application/json", contentEncoding: "identity",
            headers: ["x-customer": .string("c"), "x-attempt": .int(3), "list": .array([.int(1), .bool(true)])],
            isPersistent: true, priority: 4, correlationID: "corr", replyTo: "reply", expiration: "600000",
            messageID: "m-1", timestamp: 1_700_000_000, type: "job", userID: "guest", appID: "app")
        try fixture.session.publish(routingKey: queue, properties: properties, body: Array("{}".utf8))
        let (connection, recorder) = try fixture.consumer([Consumption(queue: queue, prefetch: 10)])
        let delivery = try #require(try await recorder.deliveries(1).first)
        #expect(delivery.properties == properties)
        #expect(delivery.body == Array("{}".utf8))
        #expect(delivery.queue == queue && delivery.routingKey == queue && delivery.exchange == "")
        #expect(!delivery.redelivered && !delivery.isOversize)
        connection.acknowledge(delivery.tag)
        await connection.close()
        #expect(try fixture.session.inspectQueue(queue).messageCount == 0)
        try fixture.session.deleteQueue(queue)
    }

    /// Acks in random order, given just before `close`, all reach the broker; what was rejected with requeue comes
    /// again, marked; what was not settled stays. Not more of them than the broker's side of a quorum queue hands on at once
    /// (`quorum_commands_soft_limit`, 32): what it keeps back under load it forgets when the channel closes.
    @Test func settlesEverythingBeforeItCloses() async throws {
        let queue = try queue(["x-queue-type": .string("quorum")])
        for number in 0..<30 { try fixture.session.publish(routingKey: queue, body: [UInt8(number)]) }
        let (connection, recorder) = try fixture.consumer([Consumption(queue: queue, prefetch: 500)])
        let deliveries = try await recorder.deliveries(30)
        for delivery in deliveries.shuffled() where delivery.body != [7] && delivery.body != [20] {
            connection.acknowledge(delivery.tag)
        }
        connection.reject(deliveries[20].tag, requeue: true)
        let again = try #require(try await recorder.deliveries(31).last)
        #expect(again.redelivered && again.body == [20])
        #expect(again.properties.headers.integer("x-delivery-count") == 1)
        connection.acknowledge(again.tag)
        await connection.close()
        // RabbitMQ 4 puts it back a moment after the connection is closed.
        let (next, left) = try fixture.consumer([Consumption(queue: queue, prefetch: 500)])
        let delivery = try #require(try await left.deliveries(1).first)
        #expect(delivery.body == [7] && delivery.redelivered)
        next.acknowledge(delivery.tag)
        await next.close()
        #expect(try fixture.session.get(queue) == nil)
        try fixture.session.deleteQueue(queue)
    }

    @Test func prefetchHolds() async throws {
        let queue = try queue()
        for number in 0..<10 { try fixture.session.publish(routingKey: queue, body: [UInt8(number)]) }
        let (connection, recorder) = try fixture.consumer([Consumption(queue: queue, prefetch: 3)])
        let first = try await recorder.deliveries(3)
        // Messages behind the prefetch are still "ready".
        #expect(try fixture.session.inspectQueue(queue).messageCount == 7)
        connection.acknowledge(first[1].tag)
        #expect(try await recorder.deliveries(4).last?.body == [3])
        await connection.close()
        try fixture.session.deleteQueue(queue)
    }

    @Test func oversizeIsDeliveredMarked() async throws {
        let queue = try queue()
        let body = [UInt8](repeating: 65, count: 300_000)
        try fixture.session.publish(routingKey: queue, body: body)
        let (connection, recorder) = try fixture.consumer(
            [Consumption(queue: queue, prefetch: 1)], maximumBodySize: 299_999)
        let delivery = try #require(try await recorder.deliveries(1).first)
        #expect(delivery.isOversize && delivery.bodySize == 300_000 && delivery.body == body)
        await connection.close()
        try fixture.session.deleteQueue(queue)
    }

    /// No more is held than may be, whatever the prefetch is; what has no room is given back, and comes when there is.
    @Test func heldBodiesHaveALimit() async throws {
        let queue = try queue()
        for size in [60_000, 50_000, 40_000, 120_000, 10] {
            try fixture.session.publish(routingKey: queue, body: [UInt8](repeating: 65, count: size))
        }
        let (connection, recorder) = try fixture.consumer(
            [Consumption(queue: queue, prefetch: 100)], maximumHeldBytes: 100_000)
        var sizes: [Int] = []
        for index in 0..<5 {
            // Those before it are acknowledged, so these are held.
            let held = try await recorder.deliveries(index + 1)[index...]
            #expect(held.count == 1 || held.reduce(0) { $0 + $1.body.count } <= 100_000)
            #expect(held.allSatisfy { UInt64($0.body.count) == $0.bodySize })
            guard let first = held.first else { break }
            sizes.append(first.body.count)
            connection.acknowledge(first.tag)
        }
        #expect(sizes.sorted() == [10, 40_000, 50_000, 60_000, 120_000], "each came, whole, and once")
        await connection.close()
        #expect(try fixture.session.inspectQueue(queue).messageCount == 0)
        try fixture.session.deleteQueue(queue)
    }

    @Test func declaresTheWholeTopology() async throws {
        let prefix = uniqueName("topology")
        let topology = Topology(
            exchanges: [
                .init(name: "\(prefix).in", kind: .direct), .init(name: "\(prefix).events", kind: .topic),
            ],
            queues: [
                .init(
                    name: "\(prefix).jobs",
                    arguments: [
                        "x-queue-type": .string("quorum"), "x-delivery-limit": .int(50),
                        "x-dead-letter-exchange": .string(""),
                        "x-dead-letter-routing-key": .string("\(prefix).failed"),
                        "x-dead-letter-strategy": .string("at-least-once"), "x-overflow": .string("reject-publish"),
                    ]),
                .init(name: "\(prefix).failed", arguments: ["x-queue-type": .string("quorum")]),
                .init(
                    name: "\(prefix).control",
                    arguments: [
                        "x-queue-type": .string("stream"), "x-max-age": .string("1h"),
                        "x-stream-max-segment-size-bytes": .int(500_000),
                    ]),
            ],
            bindings: [
                .init(queue: "\(prefix).jobs", exchange: "\(prefix).in", routingKey: "jobs"),
                .init(queue: "\(prefix).control", exchange: "\(prefix).in", routingKey: "cancel"),
            ])
        let (connection, recorder) = try fixture.consumer(
            [
                Consumption(queue: "\(prefix).jobs", prefetch: 10),
                Consumption(queue: "\(prefix).control", prefetch: 100, isStream: true),
            ], topology: topology)
        try await recorder.opened(1)
        try fixture.session.publish(exchange: "\(prefix).in", routingKey: "jobs", body: [1], mandatory: true)
        try fixture.session.publish(exchange: "\(prefix).in", routingKey: "cancel", body: [2], mandatory: true)
        let deliveries = try await recorder.deliveries(2)
        #expect(Set(deliveries.map(\.queue)) == ["\(prefix).jobs", "\(prefix).control"])
        for delivery in deliveries { connection.acknowledge(delivery.tag) }
        await connection.close()
        // A second declaration of the same is no error, another is, and names the queue.
        try fixture.session.declare(topology)
        var other = topology
        other.queues[0].arguments["x-delivery-limit"] = .int(51)
        let error = #expect(throws: AMQPError.self) { try fixture.session.declare(other) }
        #expect(error?.code == .channelClosed && error?.replyCode == 406)
        #expect(error?.message.contains("\(prefix).jobs") == true)
        for queue in topology.queues { try fixture.session.deleteQueue(queue.name) }
        for exchange in topology.exchanges { try fixture.session.deleteExchange(exchange.name) }
    }

    /// What an earlier version declared is consumed as it is, and told once; any other difference is an error.
    @Test func aQueueOfAnEarlierVersionGoesOnWorking() async throws {
        let prefix = uniqueName("former")
        let (former, current): (FieldTable, FieldTable) = (
            ["x-queue-type": .string("quorum")],
            ["x-queue-type": .string("quorum"), "x-delivery-limit": .int(1_000_000_000)]
        )
        let names = ["\(prefix).old", "\(prefix).new"]
        try fixture.session.declareQueue(names[0], durable: true, arguments: former)
        let topology = Topology(
            exchanges: [.init(name: prefix, kind: .direct)],
            queues: names.map { .init(name: $0, arguments: current, formerArguments: former) },
            bindings: names.map { .init(queue: $0, exchange: prefix, routingKey: $0) })
        let (connection, recorder) = try fixture.consumer(
            names.map { Consumption(queue: $0, prefetch: 10) }, topology: topology)
        try await recorder.opened(1)
        for name in names {
            try fixture.session.publish(exchange: prefix, routingKey: name, body: [1], mandatory: true)
        }
        for delivery in try await recorder.deliveries(2) { connection.acknowledge(delivery.tag) }
        await connection.close()
        let told = recorder.log.events.compactMap { if case .former(let queues) = $0 { queues } else { nil } }
        #expect(told == [[names[0]]])

        #expect(try fixture.session.declare(topology) == [names[0]])
        #expect(try fixture.session.publish(routingKey: names[0], body: [2]) == .confirmed, "on the new channel")
        #expect(try fixture.session.get(names[0])?.body == [2])
        var other = topology
        other.queues[0].formerArguments?["x-delivery-limit"] = .int(7)
        let error = #expect(throws: AMQPError.self) { try fixture.session.declare(other) }
        #expect(error?.replyCode == 406 && error?.message.contains(names[0]) == true, "\(String(describing: error))")
        for name in names { try fixture.session.deleteQueue(name) }
        try fixture.session.deleteExchange(prefix)
    }

    /// Read from the beginning, then on from where reading had come to, and from the beginning again where asked.
    @Test func aStreamIsReadOnAfterAReconnect() async throws {
        let name = uniqueName("stream")
        try fixture.session.declareQueue(name, durable: true, arguments: ["x-queue-type": .string("stream")])
        for number in 0..<3 { try fixture.session.publish(routingKey: name, body: [UInt8(number)]) }
        let other = try queue()
        let (connection, recorder) = try fixture.consumer([
            Consumption(queue: name, prefetch: 10, isStream: true), Consumption(queue: other, prefetch: 10),
        ])
        for delivery in try await recorder.deliveries(3) { connection.acknowledge(delivery.tag) }
        // Ends the connection.
        try fixture.session.deleteQueue(other)
        _ = try await recorder.lost()
        try fixture.session.declareQueue(other, durable: true)
        try await recorder.opened(2)
        try fixture.session.publish(routingKey: name, body: [3])
        #expect(try await recorder.deliveries(4).map(\.body) == [[0], [1], [2], [3]])
        let losses = recorder.log.events.count { if case .lost = $0 { true } else { false } }
        #expect(losses == 1, "no tag of the first connection was acknowledged on the second")
        connection.rereadStreams()
        #expect(try await recorder.deliveries(8).suffix(4).map(\.body) == [[0], [1], [2], [3]])
        #expect(recorder.deliveries.suffix(4).allSatisfy { $0.properties.headers.integer("x-stream-offset") != nil })
        await connection.close()
        try fixture.session.deleteQueue(name)
        try fixture.session.deleteQueue(other)
    }

    /// The delegate acknowledges nothing of a stream: the connection does, so that more comes, and so that the broker does
    /// not close a channel for what stays unacknowledged (`consumer_timeout`).
    @Test func aStreamsMessagesAreAcknowledgedByTheConnection() async throws {
        let broker = try TestBroker.named("trouble")
        let fixture = try Fixture(broker)
        let (name, jobs) = (uniqueName("stream"), uniqueName("consume"))
        try fixture.session.declareQueue(name, durable: true, arguments: ["x-queue-type": .string("stream")])
        try fixture.session.declareQueue(jobs, durable: true)
        for number in 0..<103 { try fixture.session.publish(routingKey: name, body: [UInt8(number)]) }
        try fixture.session.publish(routingKey: jobs, body: [200])
        var fast = fixture
        fast.configuration.heartbeat = .seconds(1)
        fast.configuration.connectionName = name
        let (connection, recorder) = try fast.consumer([
            Consumption(queue: jobs, prefetch: 1), Consumption(queue: name, prefetch: 8, isStream: true),
        ])
        let deliveries = try await recorder.deliveries(104)
        let news = deliveries.filter { $0.queue == name }
        #expect(news.map(\.body) == (0..<103).map { [$0] })
        for delivery in news { connection.acknowledge(delivery.tag) }
        let waiting = try await onOwnThread { () -> [String] in
            func table(_ arguments: String...) throws -> [[Substring]] {
                try broker.run(["ctl"] + arguments).split(separator: "\n").map { $0.split(separator: "\t") }
            }
            let consumers = try table("list_consumers", "queue_name", "channel_pid")
            let channel = consumers.first { $0.first == jobs[...] }?.last
            var waiting: [String] = []
            // A look takes most of a second, and what is left is acknowledged four times in a heartbeat.
            for _ in 0..<20 where waiting != ["1 1", "2 0"] {
                let channels = try table("list_channels", "connection", "pid", "number", "messages_unacknowledged")
                let connection = channels.first { $0.count == 4 && $0[1] == channel }?.first
                waiting = channels.filter { $0.first == connection }.map { "\($0[2]) \($0[3])" }.sorted()
            }
            return waiting
        }
        #expect(waiting == ["1 1", "2 0"], "each channel, and what the broker waits for on it")
        await connection.close()
        try fixture.session.deleteQueue(name)
        try fixture.session.deleteQueue(jobs)
    }

    @Test func aTopologyThatDoesNotFitIsATypedFailure() async throws {
        let name = try queue()
        let (connection, recorder) = try fixture.consumer(
            [], topology: Topology(queues: [.init(name: name, arguments: ["x-max-length": .int(1)])]))
        let error = try await recorder.failed()
        #expect(error.code == .channelClosed && error.replyCode == 406 && error.message.contains(name))
        await connection.close()
        try fixture.session.deleteQueue(name)
    }

    /// A deleted queue is silence without `consumer_cancel_notify`; here it is a loss, and the queue comes back.
    @Test func queueDeletedUnderTheConsumer() async throws {
        let name = uniqueName("deleted")
        let topology = Topology(queues: [.init(name: name, arguments: [:])])
        let (connection, recorder) = try fixture.consumer([Consumption(queue: name, prefetch: 1)], topology: topology)
        try await recorder.opened(1)
        try fixture.session.publish(routingKey: name, body: [1])
        let stale = try #require(try await recorder.deliveries(1).first)
        try fixture.session.deleteQueue(name)
        let error = try await recorder.lost()
        #expect(error.message.contains(name))
        try await recorder.opened(2)
        try fixture.session.publish(routingKey: name, body: [2])
        let fresh = try await recorder.deliveries(2)[1]
        #expect(fresh.tag == DeliveryTag(generation: 2, value: 1))
        // Same number, other connection: must not reach the broker (it would settle `fresh`).
        connection.acknowledge(stale.tag)
        connection.reject(fresh.tag, requeue: true)
        let again = try await recorder.deliveries(3)[2]
        #expect(again.redelivered && again.body == [2])
        connection.acknowledge(again.tag)
        connection.acknowledge(again.tag)
        connection.acknowledge(DeliveryTag(generation: 2, value: 999))
        await connection.close()
        #expect(try fixture.session.inspectQueue(name).messageCount == 0)
        #expect(recorder.log.events.count { if case .lost = $0 { true } else { false } } == 1)
        try fixture.session.deleteQueue(name)
    }

    @Test func stopConsumingEndsDeliveriesAndKeepsAcks() async throws {
        let queue = try queue()
        try fixture.session.publish(routingKey: queue, body: [1])
        let (connection, recorder) = try fixture.consumer([Consumption(queue: queue, prefetch: 10)])
        let delivery = try #require(try await recorder.deliveries(1).first)
        await connection.stopConsuming()
        await connection.stopConsuming()
        try fixture.session.publish(routingKey: queue, body: [2])
        #expect(try fixture.session.inspectQueue(queue).consumerCount == 0)
        #expect(recorder.deliveries.count == 1)
        connection.acknowledge(delivery.tag)
        await connection.close()
        #expect(try fixture.session.get(queue, noAck: true)?.body == [2])
        #expect(try fixture.session.get(queue) == nil)
        try fixture.session.deleteQueue(queue)
    }

    @Test func stopAndCloseWithoutABroker() async throws {
        var configuration = fixture.configuration
        configuration.addresses = [.init(host: "127.0.0.1", port: 1)]
        let recorder = ConsumerRecorder()
        let connection = ConsumerConnection(
            configuration: configuration, topology: Topology(), consumptions: [], delegate: recorder,
            maximumBodySize: 1, logger: quiet)
        await connection.stopConsuming()
        try connection.start()
        let error = try await recorder.failed()
        #expect(error.code == .unreachable && error.message.contains("127.0.0.1:1"))
        await connection.stopConsuming()
        await connection.close()
        await connection.close()
    }
}
