internal import AMQP
internal import Logging
internal import NIOCore
internal import Synchronization

/// Reads a small stream of events from its beginning, and then follows it. AMQP tells nobody where a stream ends, so the
/// follower writes a mark, straight into the stream and not to those who listen on the exchange; when the mark comes by,
/// all that was written before has been read.
///
/// Openings, losses and deliveries come on the consumer's thread; `isCurrent` from any thread.
final class StreamFollower: Sendable {
    private struct State {
        /// The connection that is valid, 0 for none, and the mark that it waits for; `nil` once that was read.
        var generation: UInt64 = 0
        var mark: String?
        var readers: [any StreamReader] = []
        var whenCurrent: [@Sendable () -> Void] = []
    }

    private static let markType = "mark"
    /// How long a mark that was confirmed may take to be read back, after the last entry that came.
    private static let readTime = TimeAmount.seconds(10)

    private let queue: String
    private let user: String
    private let publishing: @Sendable (DurableMessage) -> Void
    private let rereading: @Sendable () -> Void
    private let timers: any EventLoop
    private let logger: Logger
    private let state = Mutex(State())
    private let received = Atomic<UInt64>(0)

    /// - Parameters:
    ///   - timers: for its deadlines.
    ///   - reread: the stream does not give back what was written to it: connect anew and read it from its beginning.
    init(
        queue: String, configuration: JobRunnerConfiguration, timers: any EventLoop, logger: Logger,
        publish: @escaping @Sendable (DurableMessage) -> Void,
        reread: @escaping @Sendable () -> Void
    ) {
        self.queue = queue
        user = configuration.broker.username
        self.timers = timers
        self.logger = logger
        publishing = publish
        rereading = reread
    }

    /// Before the consumer starts.
    func attach(_ reader: any StreamReader) { state.withLock { $0.readers.append(reader) } }

    /// Whether all that was written before the present connection has been read.
    var isCurrent: Bool { state.withLock { $0.generation != 0 && $0.mark == nil } }

    /// Calls back at once where it is current, else on the consumer's thread when it is.
    func whenCurrent(_ body: @escaping @Sendable () -> Void) {
        let isCurrent = state.withLock { state in
            if state.generation != 0, state.mark == nil { return true }
            state.whenCurrent.append(body)
            return false
        }
        if isCurrent { body() }
    }

    // MARK: Consumer's thread

    func opened(generation: UInt64) {
        let mark = RunID.make()
        state.withLock { state in
            state.generation = generation
            state.mark = mark
        }
        let properties = MessageProperties(
            contentType: "application/json", isPersistent: true, messageID: mark, type: Self.markType, userID: user)
        let message = try? Messages.toQueue(queue, properties, body: []) { [self] _ in
            expectToRead(mark, since: received.load(ordering: .relaxed))
        }
        if let message { publishing(message) }
    }

    func lost() {
        state.withLock { $0.generation = 0 }
    }

    func received(_ delivery: Delivery) {
        received.add(1, ordering: .relaxed)
        let properties = delivery.properties
        // Whoever else may write to the exchange says nothing that workers act upon.
        guard properties.userID == user, !delivery.isOversize else { return }
        if properties.type == Self.markType { return read(mark: properties.messageID ?? "") }
        let entry = StreamEntry(
            routingKey: delivery.routingKey, messageID: properties.messageID ?? "", body: delivery.body)
        for reader in state.withLock(\.readers) { reader.read(entry) }
    }

    private func read(mark: String) {
        let calls = state.withLock { state -> (readers: [any StreamReader], others: [@Sendable () -> Void])? in
            guard state.mark == mark else { return nil }
            state.mark = nil
            defer { state.whenCurrent = [] }
            return (state.readers, state.whenCurrent)
        }
        guard let calls else { return }
        for reader in calls.readers { reader.isCurrent() }
        for other in calls.others { other() }
    }

    /// A long stream takes long to read: only a silent one is suspicious.
    private func expectToRead(_ mark: String, since count: UInt64) {
        timers.scheduleTask(in: Self.readTime) { [self] in
            guard state.withLock({ $0.generation != 0 && $0.mark == mark }) else { return }
            let now = received.load(ordering: .relaxed)
            guard now == count else { return expectToRead(mark, since: now) }
            logger.warning("a stream does not come; reading it anew", metadata: [LogKey.queue: "\(queue)"])
            rereading()
        }
    }
}
