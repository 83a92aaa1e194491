import TestSupport
import Testing

@testable import AMQP

/// Against a real broker.
@Suite struct AMQPSessionTests {
    private let broker: TestBroker
    private let fixture: Fixture

    init() throws {
        broker = try TestBroker.shared()
        fixture = try Fixture(broker)
    }

    @Test func passiveDeclarationTellsAndGoesOn() throws {
        let session = fixture.session
        let queue = uniqueName("session")
        let missing = #expect(throws: AMQPError.self) { try session.inspectQueue(queue) }
        #expect(missing?.code == .channelClosed && missing?.replyCode == 404)
        let noExchange = #expect(throws: AMQPError.self) { try session.inspectExchange(queue) }
        #expect(noExchange?.replyCode == 404)
        #expect(try session.declareQueue(queue, durable: true).name == queue)
        try session.inspectExchange("amq.topic")
        #expect(try session.publish(routingKey: queue, body: [1]) == .confirmed)
        #expect(try session.inspectQueue(queue) == .init(name: queue, messageCount: 1, consumerCount: 0))
        #expect(try session.purgeQueue(queue) == 1)
        #expect(try session.deleteQueue(queue) == 0)
        session.close()
    }

    @Test func outcomes() throws {
        let session = fixture.session
        let queue = uniqueName("outcome")
        try session.declareQueue(
            queue, durable: true, arguments: ["x-max-length": .int(1), "x-overflow": .string("reject-publish")])
        #expect(try session.publish(routingKey: queue, body: [1]) == .confirmed)
        #expect(try session.publish(routingKey: queue, body: [2]) == .rejected)
        let lost = uniqueName("nowhere")
        #expect(
            try session.publish(routingKey: lost, body: [3], mandatory: true)
                == .returned(replyCode: 312, replyText: "NO_ROUTE"))
        #expect(try session.publish(routingKey: lost, body: [3]) == .confirmed)
        let error = #expect(throws: AMQPError.self) { try session.publish(exchange: lost, routingKey: "k", body: []) }
        #expect(error?.code == .channelClosed && error?.replyCode == 404)
        // A new channel, and confirm mode again.
        #expect(try session.publish(routingKey: queue, body: [2]) == .rejected)
        try session.deleteQueue(queue)
        session.close()
    }

    @Test func exclusiveServerNamedQueue() throws {
        let session = fixture.session
        let queue = try session.declareQueue(exclusive: true, autoDelete: true).name
        #expect(queue.hasPrefix("amq.gen"))
        try session.bindQueue(queue, exchange: "amq.topic", routingKey: "\(queue).#")
        let tag = try session.consume(queue, prefetch: 5)
        #expect(try session.receive(timeout: .milliseconds(50)) == nil)
        try session.publish(exchange: "amq.topic", routingKey: "\(queue).x", body: [5])
        let delivery = try #require(try session.receive(timeout: .seconds(5)))
        #expect(delivery.body == [5] && delivery.queue == queue)
        try session.reject(delivery, requeue: true)
        let again = try #require(try session.receive(timeout: .seconds(5)))
        #expect(again.redelivered)
        try session.acknowledge(again)
        try session.cancel(consumer: tag)
        session.close()
    }

    /// What was taken with `basic.get` comes back, but for what was acked.
    @Test func returnAllPutsBackWhatIsNotAcked() throws {
        let session = fixture.session
        let queue = uniqueName("back")
        try session.declareQueue(queue, durable: true, arguments: ["x-queue-type": .string("quorum")])
        for byte: UInt8 in 1...3 { try session.publish(routingKey: queue, body: [byte]) }
        let taken = try (1...3).map { _ in try #require(try session.get(queue)) }
        #expect(taken.map(\.body) == [[1], [2], [3]])
        #expect(try session.get(queue) == nil)
        try session.acknowledge(taken[1])
        try session.returnAll()
        var again: [[UInt8]] = []
        try session.consume(queue, noAck: true)
        while again.count < 2, let delivery = try session.receive(timeout: .seconds(5)) {
            #expect(delivery.redelivered)
            again.append(delivery.body)
        }
        #expect(again == [[1], [3]])
        try session.returnAll()
        try session.deleteQueue(queue)
        session.close()
    }

    @Test func directReplyTo() throws {
        let asking = fixture.session
        let answering = try AMQPSession(configuration: fixture.configuration)
        let queue = try asking.declareQueue(uniqueName("rpc")).name
        try asking.consume("amq.rabbitmq.reply-to", noAck: true)
        try asking.publish(
            routingKey: queue, properties: MessageProperties(correlationID: "7", replyTo: "amq.rabbitmq.reply-to"),
            body: [1])
        let request = try #require(try answering.get(queue, noAck: true))
        let reply = try #require(request.properties.replyTo)
        #expect(reply.hasPrefix("amq.rabbitmq.reply-to."))
        // The passive declaration of that name tells whether the reader is still there.
        #expect(try answering.inspectQueue(reply).name == reply)
        try answering.publish(routingKey: reply, properties: MessageProperties(correlationID: "7"), body: [2])
        let answer = try #require(try asking.receive(timeout: .seconds(5)))
        #expect(answer.body == [2] && answer.properties.correlationID == "7")
        try asking.deleteQueue(queue)
        asking.close()
        #expect(throws: AMQPError.self) { try answering.inspectQueue(reply) }
        answering.close()
    }

    @Test func deletedQueueEndsReceive() throws {
        let queue = uniqueName("gone")
        try fixture.session.declareQueue(queue)
        try fixture.session.consume(queue)
        let other = try AMQPSession(configuration: fixture.configuration)
        try other.deleteQueue(queue)
        other.close()
        let error = #expect(throws: AMQPError.self) { try fixture.session.receive(timeout: .seconds(5)) }
        #expect(error?.message.contains(queue) == true)
    }
}
