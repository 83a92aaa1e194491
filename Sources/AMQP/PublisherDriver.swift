/// Who feeds a publish connection. Calls come one at a time and must not block: on the connection's own thread, and
/// `publisherReady` (with the refusals it causes) on those that call `PublisherConnection.publish()` as well.
public protocol PublisherDriver: AnyObject, Sendable {
    /// The connection is open and in confirm mode; nothing is outstanding.
    func publisherOpened(generation: UInt64)
    /// Asked after every wake, confirm and unblock while connected: publish what waits, until
    /// `channel.capacity` is 0 or nothing waits.
    func publisherReady(_ channel: borrowing PublishChannel)
    /// Whether somebody waits for a confirm of what was published. Where nobody does, confirms may be read 20 ms late.
    var awaitsConfirms: Bool { get }
    /// The broker took responsibility for a message that was published with `notify: true`.
    func publisherConfirmed(_ token: UInt64)
    /// The broker refused a message (any, also one published with `notify: false`).
    func publisherRejected(_ token: UInt64)
    /// A `mandatory` message found no queue. Comes before its confirm. `token` is the one it was published with.
    func publisherReturned(_ token: UInt64, replyCode: Int, replyText: String)
    /// `connection.blocked` (a memory or disk alarm) and its end. While blocked, `publisherReady` is not called.
    func publisherBlocked(_ isBlocked: Bool, reason: String)
    /// The broker has closed the connection, or its channel, with a reason: perhaps over one of these messages. Said before
    /// `publisherLost`; `inFlight` are the tokens of all that were not confirmed, whatever their `notify`, oldest first.
    func publisherClosed(error: AMQPError, inFlight: [UInt64])
    /// The connection is gone. Whatever was not confirmed may or may not have arrived: `unconfirmed` are the tokens
    /// of the outstanding `notify: true` messages, oldest first. A reconnect is under way.
    func publisherLost(error: AMQPError, unconfirmed: [UInt64])
    /// A connection attempt failed; the next one comes after `delay`.
    func publisherFailed(error: AMQPError, retryingAfter delay: Duration)
}

extension PublisherDriver {
    public var awaitsConfirms: Bool { true }
    public func publisherClosed(error: AMQPError, inFlight: [UInt64]) {}
}
