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
    public let exchange: String
    public let routingKey: String
    public let properties: MessageProperties
    /// The whole body; empty where it is over the hard cap of `FrameAssembler`.
    public let body: [UInt8]
    /// Bytes of the body as the publisher sent it, also where `body` was not kept.
    public let bodySize: UInt64
    /// The body is over the consumer's `maximumBodySize`.
    public let isOversize: Bool

    public init(
        tag: DeliveryTag, queue: String, redelivered: Bool, exchange: String, routingKey: String,
        properties: MessageProperties, body: [UInt8], bodySize: UInt64? = nil, isOversize: Bool = false
    ) {
        self.tag = tag
        self.queue = queue
        self.redelivered = redelivered
        self.exchange = exchange
        self.routingKey = routingKey
        self.properties = properties
        self.body = body
        self.bodySize = bodySize ?? UInt64(body.count)
        self.isOversize = isOversize
    }
}
