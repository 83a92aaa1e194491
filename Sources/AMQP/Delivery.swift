/// Names one delivery for its ack. Worth something only with the connection that delivered it: a tag of an
/// earlier generation is ignored, never sent (a stale ack would close the channel).
public struct DeliveryTag: Sendable, Hashable {
    /// Counts the consumer's connections from 1.
    public let generation: UInt64
    /// 0: of a stream, whose messages the connection itself acknowledges.
    public let value: UInt64

    public init(generation: UInt64, value: UInt64) {
        self.generation = generation
        self.value = value
    }
}

/// A message that the broker gave to this consumer. A copy: nothing in it belongs to librabbitmq.
public struct Delivery: Sendable {
    public let tag: DeliveryTag
    /// The queue that was consumed.
    public let queue: String
    public let redelivered: Bool
    /// Times that the broker has given this message out before, as far as it says so: 0 for a first delivery, whatever its
    /// publisher wrote into the headers. The one place where the broker's counts are read.
    public let returns: Int
    public let exchange: String
    public let routingKey: String
    public let properties: MessageProperties
    /// The whole body; empty where it is over the hard cap of `FrameAssembler`.
    public let body: [UInt8]
    /// Bytes of the body as the publisher sent it, also where `body` was not kept.
    public let bodySize: UInt64
    /// The body is over the consumer's `maximumBodySize`.
    public let isOversize: Bool
    /// Of `body`.
    public let bodyHash: UInt64

    /// - Parameter broker: who gave it out; `nil` where it does not say its version.
    public init(
        tag: DeliveryTag, queue: String, redelivered: Bool, exchange: String, routingKey: String,
        properties: MessageProperties, body: [UInt8], bodySize: UInt64? = nil, isOversize: Bool = false,
        bodyHash: UInt64? = nil, broker: BrokerVersion? = nil
    ) {
        self.tag = tag
        self.queue = queue
        self.redelivered = redelivered
        returns = Self.returns(redelivered: redelivered, properties.headers, broker: broker)
        self.exchange = exchange
        self.routingKey = routingKey
        self.properties = properties
        self.body = body
        self.bodySize = bodySize ?? UInt64(body.count)
        self.isOversize = isOversize
        self.bodyHash = bodyHash ?? BodyHash(of: body).value
    }

    /// The larger of the broker's two counts. `x-delivery-count` counts every return on RabbitMQ 3.x and 4.0 to 4.2; from 4.3
    /// on only those after a crash or a rejection, and `x-acquired-count` counts them all. An older broker passes on an
    /// `x-acquired-count` that a publisher wrote. Either may be missing where the broker gave a message out again after it
    /// had lost a node: once, at least.
    static func returns(redelivered: Bool, _ headers: FieldTable, broker: BrokerVersion?) -> Int {
        guard redelivered else { return 0 }
        let isAcquiredCounted = broker.map { $0 >= BrokerVersion(4, 3) } ?? true
        let counts = [
            headers.integer("x-delivery-count"), isAcquiredCounted ? headers.integer("x-acquired-count") : nil,
        ]
        return Int(clamping: counts.compactMap { $0 }.max().map { max(1, $0) } ?? 1)
    }
}
