/// When a consumer of streams acknowledges what it has read, one ack for many messages: an ack only asks the broker for more,
/// since where reading has come to is the reader's own affair. Pure; for one channel.
struct StreamAcks {
    /// Messages between two acks: a quarter of what the most modest consumer may hold, so that none runs dry.
    private let interval: UInt64
    private var last: UInt64 = 0
    private var acknowledged: UInt64 = 0

    init(prefetches: [UInt16]) { interval = UInt64(max(1, (prefetches.min() ?? 1) / 4)) }

    mutating func restart() { (last, acknowledged) = (0, 0) }

    /// The tag up to which to acknowledge now, if any.
    mutating func delivered(_ tag: UInt64) -> UInt64? {
        last = tag
        return last &- acknowledged < interval ? nil : takeAll()
    }

    /// The same for whatever is left, which must not stay for ever: RabbitMQ closes a channel on which a message is not
    /// acknowledged within `consumer_timeout` (30 minutes).
    mutating func takeAll() -> UInt64? {
        guard last != acknowledged else { return nil }
        acknowledged = last
        return last
    }
}
