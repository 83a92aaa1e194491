/// Who hears of a consumer connection. Every call comes on the connection's own thread and must not block.
public protocol ConsumerDelegate: AnyObject, Sendable {
    /// The connection is open, the topology declared and every queue consumed.
    func consumerOpened(generation: UInt64)
    /// These queues are there with the `formerArguments` of the topology, and go on working. Told when it changes, before
    /// `consumerOpened`.
    func consumerFound(formerQueues: [String], brokerVersion: BrokerVersion?)
    func consumerReceived(_ delivery: Delivery)
    /// The connection (or channel) is gone, every delivery of `generation` with it; a reconnect is under way.
    func consumerLost(generation: UInt64, error: AMQPError)
    /// The broker is silent for so long that it may soon give the deliveries to somebody else (`DeliveryLease`).
    func consumerSilent(generation: UInt64)
    /// It was heard again: the deliveries are this consumer's still.
    func consumerHeard(generation: UInt64)
    /// A connection attempt failed; the next one comes after `delay`.
    func consumerFailed(error: AMQPError, retryingAfter delay: Duration)
}

extension ConsumerDelegate {
    /// For those whose topology has none.
    public func consumerFound(formerQueues: [String], brokerVersion: BrokerVersion?) {}
}

/// A queue to consume, and how much of it may be unacknowledged at once.
public struct Consumption: Sendable, Equatable {
    public var queue: String
    /// 1-65535 (16 bits on the wire).
    public var prefetch: UInt16
    /// A stream: read from its beginning, and after a reconnect from where reading had come to. The connection acknowledges
    /// its messages, once the delegate has heard them.
    public var isStream: Bool
    /// Seconds since 1970: of a stream, what is older is not read (but for what was stored together with newer messages).
    public var since: UInt64?

    public init(queue: String, prefetch: UInt16, isStream: Bool = false, since: UInt64? = nil) {
        self.queue = queue
        self.prefetch = prefetch
        self.isStream = isStream
        self.since = since
    }
}
