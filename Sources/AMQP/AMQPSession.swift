internal import CRabbitMQ

/// A connection for commands and tests: every call blocks its one thread until the broker answered, and throws
/// `AMQPError`. Not for the daemon's paths, and not Sendable: use it on the thread that made it.
///
/// A channel error (404, 406, ...) is thrown by the call that caused it; the session then opens a new channel, so that
/// the next call works. Consumers of the old channel are gone.
///
/// Heartbeats run only inside calls: a session that is not called for two heartbeats is closed by the broker.
public final class AMQPSession {
    /// What `declareQueue` and `inspectQueue` tell.
    public struct QueueStatus: Sendable, Equatable {
        /// The name, which the broker chose where none was given.
        public var name: String
        /// Messages ready for delivery (not those delivered and unacknowledged).
        public var messageCount: Int
        public var consumerCount: Int
    }

    /// What became of a published message.
    public enum PublishOutcome: Sendable, Equatable {
        case confirmed
        /// The broker refused it (`basic.nack`): a full queue with `reject-publish`, for example.
        case rejected
        /// `mandatory`, and no queue was reached. (The broker confirms it as well.)
        case returned(replyCode: Int, replyText: String)
    }

    let link: BrokerLink
    /// Nobody wakes a session; the poller needs one all the same.
    let ownership = LoopOwnership()
    let timeout: Duration
    var assembler: FrameAssembler
    var inbox: [Delivery] = []
    /// Queue names by consumer tag.
    var consumers: [String: String] = [:]
    var consumersMade = 0
    var published: UInt64 = 0
    var confirmMode = false
    var generation: UInt64 = 1

    /// Connects to the first address that answers.
    public init(
        configuration: AMQPConfiguration, role: String = "session", maximumBodySize: Int = 64 << 20
    ) throws(AMQPError) {
        timeout = configuration.timeout
        assembler = FrameAssembler(channel: BrokerLink.channel, maximumBodySize: maximumBodySize)
        link = try BrokerLink.openAny(configuration: configuration, role: role)
    }

    /// Closes channel and connection. Nothing may be called afterwards.
    public func close() { link.close() }

    /// RabbitMQ's version, as it says it itself; `nil` where it does not.
    public var brokerVersion: BrokerVersion? { link.brokerVersion }

    // MARK: Topology

    /// Returns the names of queues that are there as an earlier version declared them (`formerArguments`). Consumers of this
    /// session are gone then.
    @discardableResult
    public func declare(_ topology: Topology) throws(AMQPError) -> [String] {
        let former = try recovering { () throws(AMQPError) in try link.declare(topology) }
        if !former.isEmpty { channelChanged() }
        return former
    }

    /// An empty name lets the broker choose one (only for queues that are exclusive).
    @discardableResult
    public func declareQueue(
        _ name: String = "", durable: Bool = false, exclusive: Bool = false, autoDelete: Bool = false,
        arguments: FieldTable = [:]
    ) throws(AMQPError) -> QueueStatus {
        try recovering { () throws(AMQPError) in
            try link.declareQueue(
                name, passive: false, durable: durable, exclusive: exclusive, autoDelete: autoDelete,
                arguments: arguments)
        }
    }

    /// Passive: throws `channelClosed` 404 where there is none. Also answers for `amq.rabbitmq.reply-to.…` names.
    public func inspectQueue(_ name: String) throws(AMQPError) -> QueueStatus {
        try recovering { () throws(AMQPError) in
            try link.declareQueue(
                name, passive: true, durable: false, exclusive: false, autoDelete: false, arguments: [:])
        }
    }

    /// Passive: throws `channelClosed` 404 where there is none.
    public func inspectExchange(_ name: String) throws(AMQPError) {
        try recovering { () throws(AMQPError) in try link.declareExchange(name, kind: "direct", passive: true) }
    }

    /// Returns the number of messages that went with it. No error where there is no such queue.
    @discardableResult
    public func deleteQueue(_ name: String) throws(AMQPError) -> Int {
        try recovering { () throws(AMQPError) in try link.deleteQueue(name) }
    }

    @discardableResult
    public func purgeQueue(_ name: String) throws(AMQPError) -> Int {
        try recovering { () throws(AMQPError) in try link.purgeQueue(name) }
    }

    public func deleteExchange(_ name: String) throws(AMQPError) {
        try recovering { () throws(AMQPError) in try link.deleteExchange(name) }
    }

    public func bindQueue(_ queue: String, exchange: String, routingKey: String) throws(AMQPError) {
        try recovering { () throws(AMQPError) in
            try link.bind(Topology.Binding(queue: queue, exchange: exchange, routingKey: routingKey))
        }
    }

    // MARK: Messages

    /// Publishes one message and waits until the broker confirmed, refused or returned it.
    @discardableResult
    public func publish(
        exchange: String = "", routingKey: String, properties: MessageProperties = MessageProperties(),
        body: [UInt8], mandatory: Bool = false
    ) throws(AMQPError) -> PublishOutcome {
        let template = try PublishTemplate(exchange: exchange, routingKey: routingKey, properties: properties)
        return try recovering { () throws(AMQPError) in
            if !confirmMode {
                try link.selectConfirms()
                confirmMode = true
                published = 0
            }
            published += 1
            try body.withUnsafeBytesTyped { (bytes) throws(AMQPError) in
                try link.publish(template, body: bytes, mandatory: mandatory)
                try link.flush()
            }
            return try awaitOutcome(of: published)
        }
    }

    /// Starts a consumer and returns its tag; its messages come out of `receive`. `amq.rabbitmq.reply-to` (with
    /// `noAck`) is the direct reply-to of messages that this session publishes.
    @discardableResult
    public func consume(
        _ queue: String, prefetch: UInt16 = 0, noAck: Bool = false, exclusive: Bool = false,
        arguments: FieldTable = [:]
    ) throws(AMQPError) -> String {
        consumersMade += 1
        let tag = "session-\(consumersMade)"
        consumers[tag] = queue
        try recovering { () throws(AMQPError) in
            if prefetch > 0 { try link.setPrefetch(prefetch) }
            try link.consume(queue, tag: tag, noAck: noAck, exclusive: exclusive, arguments: arguments)
        }
        return tag
    }

    /// Ends a consumer. What it had received before still comes out of `receive`.
    public func cancel(consumer tag: String) throws(AMQPError) {
        try recovering { () throws(AMQPError) in try link.cancel(tag: tag) }
    }

    /// The next message of any consumer, or `nil` when none came in time. Throws `connectionLost` where the broker
    /// cancelled a consumer (its queue was deleted).
    public func receive(timeout: Duration) throws(AMQPError) -> Delivery? {
        let deadline = Monotonic.now() &+ timeout.clampedNanoseconds
        return try recovering { () throws(AMQPError) in
            while inbox.isEmpty {
                guard let event = try nextEvent(before: deadline) else { return nil }
                try handle(event)
            }
            return inbox.removeFirst()
        }
    }

    /// Takes one message from a queue, or `nil` where it is empty (`basic.get`).
    public func get(_ queue: String, noAck: Bool = false) throws(AMQPError) -> Delivery? {
        try recovering { () throws(AMQPError) in
            try link.sendGet(queue, noAck: noAck)
            let deadline = Monotonic.now() &+ timeout.clampedNanoseconds
            while true {
                guard let event = try nextEvent(before: deadline) else {
                    throw AMQPError(.timeout, "the broker did not answer basic.get on '\(queue)' within \(timeout)")
                }
                switch event {
                case .getEmpty: return nil
                case .got(let message): return delivery(message, queue: queue)
                default: try handle(event)
                }
            }
        }
    }

    /// A delivery that came before the channel was opened anew is ignored.
    public func acknowledge(_ delivery: Delivery) throws(AMQPError) {
        guard delivery.tag.generation == generation else { return }
        try link.watched { () throws(AMQPError) in try link.acknowledge(delivery.tag.value, multiple: false) }
    }

    public func reject(_ delivery: Delivery, requeue: Bool) throws(AMQPError) {
        guard delivery.tag.generation == generation else { return }
        try link.watched { () throws(AMQPError) in try link.reject(delivery.tag.value, requeue: requeue) }
    }

    /// Puts everything back on its queue that this session has taken and not acknowledged.
    public func returnAll() throws(AMQPError) {
        try link.watched { () throws(AMQPError) in try link.returnAll() }
    }
}
