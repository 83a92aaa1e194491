/// What a driver publishes through, within one call of `publisherReady`, on that call's thread.
public struct PublishChannel: ~Copyable {
    private let loop: PublisherLoop

    init(loop: PublisherLoop) { self.loop = loop }

    /// Free places in the confirm window; 0 where the connection failed, is blocked, or its socket takes no more.
    /// Ask before every message.
    public var capacity: Int { loop.capacity }

    /// Publishes one message; allocates nothing. Only with `capacity` > 0: a message offered without is not sent,
    /// and `publisherRejected` is called for it after `publisherReady` returned.
    /// - Parameters:
    ///   - token: given back to the driver; need not be unique.
    ///   - notify: whether `publisherConfirmed` shall be called.
    ///   - mandatory: whether the broker returns a message that reaches no queue. Give such messages different
    ///     `message_id`s: a return is matched to its token by exchange, routing key, message id and size.
    /// - Returns: the message's sequence number on this connection, to be compared with `confirmedThrough`.
    @discardableResult
    public func publish(
        _ template: PublishTemplate, body: UnsafeRawBufferPointer, token: UInt64, notify: Bool,
        mandatory: Bool = false
    ) -> UInt64 {
        loop.publish(template, body: body, token: token, notify: notify, mandatory: mandatory)
        return loop.lastPublished
    }

    /// Every message up to this sequence number of the connection is confirmed (or refused).
    public var confirmedThrough: UInt64 { loop.confirmedThrough }
}
