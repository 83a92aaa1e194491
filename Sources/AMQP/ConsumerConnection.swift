public import Logging
internal import Synchronization

/// A connection that only consumes and acknowledges: under a broker alarm, acks on a connection that also publishes
/// are not processed. One thread owns it; it reconnects for ever, declaring the topology each time, until `close()`.
///
/// Call `start()` once, and `close()` before dropping the last reference: the thread keeps the delegate alive.
public final class ConsumerConnection: Sendable {
    private let mailbox = ConsumerMailbox()
    private let thread = OwnedThread()
    private let makeLoop: @Sendable (ConsumerMailbox) -> ConsumerLoop

    /// - Parameters:
    ///   - lease: told whether what was delivered can still be believed to be this consumer's.
    ///   - maximumBodySize: bytes; a larger body is delivered with `isOversize`.
    ///   - maximumHeldBytes: of the bodies of all deliveries that are not settled; see `HeldBodies`. Streams do not count.
    public init(
        configuration: AMQPConfiguration, topology: Topology, consumptions: [Consumption],
        delegate: any ConsumerDelegate, lease: DeliveryLease = DeliveryLease(), maximumBodySize: Int,
        maximumHeldBytes: UInt64 = .max, logger: Logger
    ) {
        makeLoop = { mailbox in
            ConsumerLoop(
                configuration: configuration, topology: topology, consumptions: consumptions, delegate: delegate,
                maximumBodySize: maximumBodySize, maximumHeldBytes: maximumHeldBytes, mailbox: mailbox, lease: lease,
                logger: logger)
        }
    }

    /// Starts the thread, which connects in its own time. Throws only where the system has no thread or descriptor
    /// left.
    public func start() throws(AMQPError) {
        try mailbox.ownership.check()
        let (mailbox, makeLoop) = (mailbox, makeLoop)
        try thread.start(name: "amqp-consumer") { makeLoop(mailbox).run() }
    }

    /// From any thread. A tag of an earlier generation or of a stream, or one that was settled already, is ignored.
    public func acknowledge(_ tag: DeliveryTag) {
        mailbox.settle(Settlement(tag: tag, verdict: .acknowledge))
    }

    /// From any thread. Without `requeue` the broker dead-letters the message where its queue says so.
    public func reject(_ tag: DeliveryTag, requeue: Bool) {
        mailbox.settle(Settlement(tag: tag, verdict: requeue ? .requeue : .reject))
    }

    /// Cancels every consumer, except those of streams, which go on until `close`. Returns when the broker confirmed that
    /// nothing more is coming, or the connection is lost. Deliveries may still arrive meanwhile; acks still work afterwards.
    /// A connection that is lost after this is not opened again.
    public func stopConsuming() async {
        if thread.isStarted { await mailbox.stopConsuming() }
    }

    /// Connects anew and reads its streams from their beginning: for a stream that somebody has deleted and made anew, in
    /// which the remembered offset lies beyond the end.
    public func rereadStreams() { mailbox.requestReread() }

    /// The version of the broker that it is, or was last, connected to. Set before `consumerOpened`. From any thread.
    public var brokerVersion: BrokerVersion? { mailbox.brokerVersion }

    /// Bytes of the bodies that are held, of deliveries that are not settled. From any thread.
    public var heldBytes: UInt64 { mailbox.heldBytes.load(ordering: .relaxed) }
    /// Messages whose bodies have no room: they go back to their queue when there is. From any thread.
    public var messagesWithoutRoom: Int { mailbox.withoutRoom.load(ordering: .relaxed) }

    /// Whether its thread, while connected, has not gone round its loop for so long. From any thread; for a watchdog.
    public func isStuck(longerThan limit: Duration) -> Bool { mailbox.pulse.isStuck(longerThan: limit) }

    /// Sends the acks that are pending, closes channel and connection, and ends the thread.
    public func close() async {
        mailbox.requestClose()
        await thread.join()
    }
}
