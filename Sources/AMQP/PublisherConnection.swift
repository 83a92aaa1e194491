public import Logging

/// A connection that only publishes, in confirm mode. One thread owns it and asks its driver for messages whenever
/// the confirm window has room; it reconnects for ever until `close(deadline:)`.
///
/// Call `start()` once, and `close(deadline:)` before dropping the last reference: the thread keeps the driver alive.
public final class PublisherConnection: Sendable {
    private let mailbox = PublisherMailbox()
    private let thread = OwnedThread()
    private let makeLoop: @Sendable (PublisherMailbox) -> PublisherLoop

    /// - Parameters:
    ///   - window: the most messages that may be published and not yet confirmed.
    ///   - topology: declared anew when the broker says that something is missing (404): an exchange that was deleted.
    ///   - role: appended to the connection's name in RabbitMQ's UI, and the thread's name.
    ///   - asksForAlarms: `publisherBlocked` also tells of an alarm of the broker while nothing is published.
    public init(
        configuration: AMQPConfiguration, topology: Topology = Topology(), window: Int, driver: any PublisherDriver,
        logger: Logger, role: String = "publisher", asksForAlarms: Bool = false
    ) {
        makeLoop = { mailbox in
            PublisherLoop(
                configuration: configuration, topology: topology, window: window, driver: driver, role: role,
                asksForAlarms: asksForAlarms, mailbox: mailbox, logger: logger)
        }
    }

    /// Starts the thread, which connects in its own time. Throws only where the system has no thread or descriptor
    /// left.
    public func start() throws(AMQPError) {
        try mailbox.ownership.check()
        let (mailbox, makeLoop) = (mailbox, makeLoop)
        try thread.start(name: "amqp-publisher") { makeLoop(mailbox).run() }
    }

    /// There is something to publish: `publisherReady` will be called soon. From any thread; an atomic operation,
    /// and a system call only where the thread sleeps.
    public func wake() { mailbox.ownership.wake() }

    /// There is something to publish: where the connection's thread sleeps and its socket is a plain one, `publisherReady`
    /// is called here and now; else like `wake()`. From any thread that the driver may publish on; never waits for broker
    /// or lock. Call it once for all that has gathered: each call is a packet of its own.
    public func publish() {
        guard mailbox.ownership.borrow() == .lent else { return }
        mailbox.ownership.giveBack(wake: mailbox.loop?.publishBorrowed() ?? true)
    }

    /// Whether its thread, while connected, has not gone round its loop for so long. From any thread; for a watchdog.
    public func isStuck(longerThan limit: Duration) -> Bool { mailbox.pulse.isStuck(longerThan: limit) }

    /// Goes on publishing and waiting for confirms until the driver offers nothing and nothing is outstanding, or
    /// `deadline` has passed; then closes the connection and ends the thread. What is outstanding then is reported
    /// with `publisherLost`. Never waits for a connection that is down.
    public func close(deadline: Duration) async {
        mailbox.requestClose(deadline: deadline)
        await thread.join()
    }
}
