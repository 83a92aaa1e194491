internal import AMQP
internal import Logging
internal import NIOCore
internal import Synchronization

/// One publish connection and all streams that are pinned to it. Event loops hand streams and messages in; the
/// connection's thread takes them out as the broker's confirms allow (confirm-clocked coalescing).
final class PublisherShard: Sendable {
    private let feed: ShardFeed
    private let connection: PublisherConnection
    private let window: Int
    /// Made once: no token allocates one.
    private let publishNow: @Sendable () -> Void

    /// - Parameters:
    ///   - topology: what the broker may say is missing.
    ///   - window: messages that may be unconfirmed at once. Small: fewer, larger chunks under load. Large: the broker's own
    ///     queues grow.
    ///   - asksForAlarms: whether an alarm of the broker is noticed while nothing is published. An alarm holds back every
    ///     connection: one that asks is enough.
    init(
        configuration: AMQPConfiguration, topology: Topology = Topology(), window: Int, observer: any ShardObserver,
        lease: DeliveryLease, metrics: JobMetrics, bury: @escaping ShardFeed.Burial = { _, _ in nil }, role: String,
        asksForAlarms: Bool = false, logger: Logger
    ) {
        self.window = window
        feed = ShardFeed(observer: observer, lease: lease, metrics: metrics, bury: bury, logger: logger)
        connection = PublisherConnection(
            configuration: configuration, topology: topology, window: window, driver: feed, logger: logger, role: role,
            asksForAlarms: asksForAlarms)
        publishNow = { [connection] in connection.publish() }
    }

    /// As of its last turn.
    var reading: JobRunner.Snapshot.Publisher {
        JobRunner.Snapshot.Publisher(
            published: feed.state.published.load(ordering: .relaxed), window: window,
            free: min(window, feed.state.capacity.load(ordering: .relaxed)),
            ready: feed.state.ready.load(ordering: .relaxed))
    }

    func start() throws(AMQPError) { try connection.start() }

    /// Waits until all that was handed in is confirmed, at most until `deadline` has passed.
    func close(deadline: Duration) async { await connection.close(deadline: deadline) }

    /// Whether its thread is stuck; see `PublisherConnection`.
    func isStuck(longerThan limit: Duration) -> Bool { connection.isStuck(longerThan: limit) }

    /// What was held back because its delivery was in doubt may go now, or never. Any thread.
    func leaseChanged() { connection.wake() }

    /// A stream has something to send. On `loop`, which publishes at the end of its turn, where the connection's thread does
    /// not: all that its sockets brought leaves together.
    func enqueue(_ stream: AnswerStream, on loop: any EventLoop) {
        if feed.add(stream) { loop.execute(publishNow) }
    }

    /// A message that must arrive. Any thread.
    func publish(_ message: DurableMessage) { publish([message]) }

    func publish(_ messages: [DurableMessage]) {
        if feed.add(messages) { connection.wake() }
    }

    /// From its first chunk to its end a stream is known to its shard, which tells it of lost chunks.
    func register(_ stream: AnswerStream) { feed.streams.withLock { $0[stream.identifier] = stream } }
    func unregister(_ stream: AnswerStream) { feed.streams.withLock { _ = $0.removeValue(forKey: stream.identifier) } }
}

/// Who hears how a publish connection fares. Called on the connection's thread.
protocol ShardObserver: AnyObject, Sendable {
    func shardOpened()
    func shardLost(_ error: AMQPError)
    /// It could not be opened (again).
    func shardFailed(_ error: AMQPError)
    func shardBlocked(_ isBlocked: Bool, reason: String)
}
