internal import AMQP
internal import ChatModel
internal import Logging
internal import NIOCore
internal import Synchronization

/// This worker's part in the conversation of all workers, which is the stream `PREFIX.control`: reads cancels and other
/// workers' claims, writes its own. The stream's order is the same for everybody, so whoever reads back what it wrote
/// has read all that was written before.
///
/// Deliveries, openings and losses come on the consumer's thread; everything else from any thread.
final class ControlDesk: Sendable {
    /// What the desk is told to do about this worker's jobs.
    struct Actions: Sendable {
        /// A cancel was read. Where it is live (read as it was written) it concerns the job that is here already; else that
        /// is for `cancel(of:)` to say.
        var cancelled: @Sendable (ControlMessage.Cancel, _ isLive: Bool) -> Void
        /// Another worker took the job under this attempt.
        var claimed: @Sendable (JobKey, Int64) -> Void
        /// Another worker saw this delivery of the job through.
        var finished: @Sendable (JobKey, FinishedDelivery) -> Void
        /// What was held back until the stream was read: jobs may begin.
        var released: @Sendable ([Delivery]) -> Void
        /// The stream does not give back what was written to it.
        var mustReread: @Sendable () -> Void
    }

    private struct State {
        var cancels = CancelBook()
        var finished = FinishedBook()
        /// The connection that is valid, 0 for none, and the mark that it waits for; `nil` once that was read.
        var generation: UInt64 = 0
        var mark: String?
        /// What this process reads first was written before it lived: of that only cancels count.
        var hasSynced = false
        var held: [Delivery] = []
        /// Jobs whose claims have not been read back yet.
        var claims: [String: @Sendable () -> Void] = [:]
        /// What was told to the others already.
        var announced: Set<JobKey> = []
        /// Messages that came, and those of them that said nothing.
        var received = 0
        var unreadable = 0
    }

    /// How long nothing may be read while something that was confirmed has not come.
    private static let readTime = TimeAmount.seconds(10)

    private let queue: String
    private let user: String
    private let customers: JobRules.CustomerSource
    private let publishing: @Sendable (DurableMessage) -> Void
    /// Nanoseconds of three heartbeats: what was ended within them may have lost its ack with the connection.
    private let doubt: UInt64
    private let timers: any EventLoop
    private let logger: Logger
    private let state = Mutex(State())
    private let actions = Mutex<Actions?>(nil)

    /// - Parameter timers: for its deadlines.
    init(
        configuration: JobRunnerConfiguration, timers: any EventLoop, logger: Logger,
        publish: @escaping @Sendable (DurableMessage) -> Void
    ) {
        queue = configuration.plan.names.control
        user = configuration.broker.username
        customers = configuration.rules.customerSource
        doubt = UInt64(clamping: (configuration.broker.heartbeat * 3).milliseconds) * 1_000_000
        self.timers = timers
        self.logger = logger
        publishing = publish
    }

    func attach(_ actions: Actions) { self.actions.withLock { $0 = actions } }

    // MARK: Consumer's thread

    /// Jobs of this connection begin only after everything that was written while this worker was away is read.
    func opened(generation: UInt64) {
        let mark = RunID.make()
        state.withLock { state in
            state.generation = generation
            state.mark = mark
            state.held = []
            state.claims = [:]
        }
        write(.sync(mark)) { [self] in
            expectToRead { state in state.generation == generation && state.mark == mark }
        }
    }

    /// Takes a job's delivery into custody while the stream is not read to its mark.
    func holds(_ delivery: Delivery) -> Bool {
        state.withLock { state in
            guard state.mark != nil else { return false }
            state.held.append(delivery)
            return true
        }
    }

    /// A message of the stream.
    func received(_ delivery: Delivery) {
        state.withLock { $0.received &+= 1 }
        do throws(ControlMessage.Unreadable) {
            let message = try ControlMessage(delivery, workerUser: user, customers: customers)
            if let message { heed(message, id: delivery.properties.messageID) }
        } catch {
            let total = state.withLock { state in
                state.unreadable &+= 1
                return state.unreadable
            }
            // Whoever writes thousands of them fills no log.
            guard total.nonzeroBitCount == 1 else { return }
            logger.warning(
                "control messages ignored",
                metadata: [LogKey.queue: "\(queue)", LogKey.error: "\(error.reason)", LogKey.count: "\(total)"])
        }
    }

    /// The connection is gone, or so silent that its deliveries may soon be somebody else's: whoever gets jobs whose acks
    /// were lost with it need not run them.
    func doubted() {
        let now = NIODeadline.now().uptimeNanoseconds
        let recent = state.withLock { state in
            let recent = state.finished.noted(since: now > doubt ? now - doubt : 0)
            defer { state.announced = Set(recent.map(\.key)) }
            return recent.filter { !state.announced.contains($0.key) }
        }
        for (key, delivery) in recent { write(.finished(key, delivery)) }
    }

    func lost() {
        state.withLock { state in
            state.generation = 0
            state.held = []
            state.claims = [:]
        }
        doubted()
    }

    private func heed(_ message: ControlMessage, id: String?) {
        guard let actions = actions.withLock({ $0 }) else { return }
        let isLive = state.withLock(\.hasSynced)
        switch message {
        case .cancel(let cancel):
            let now = WallClock.now().milliseconds / 1_000
            let isCurrent = state.withLock { state in
                let isCurrent = state.hasSynced && state.mark == nil
                state.cancels.note(cancel, now: isCurrent ? now : nil)
                return isCurrent
            }
            actions.cancelled(cancel, isCurrent)
        case .cancelled(let key): state.withLock { $0.cancels.noteUsed(key) }
        case .claim(let key, let attempt):
            if let own = state.withLock({ $0.claims.removeValue(forKey: id ?? "") }) {
                own()
            } else if isLive {
                answer(claimOf: key, attempt)
                actions.claimed(key, attempt)
            }
        case .finished(let key, let delivery):
            guard isLive else { return }
            state.withLock { $0.finished.note(key, delivery, now: NIODeadline.now().uptimeNanoseconds) }
            actions.finished(key, delivery)
        case .sync(let mark):
            let held = state.withLock { state -> [Delivery]? in
                guard state.mark == mark else { return nil }
                state.mark = nil
                state.hasSynced = true
                defer { state.held = [] }
                return state.held
            }
            if let held { actions.released(held) }
        }
    }

    /// Somebody took a job that this worker has ended: it was not heard yet.
    private func answer(claimOf key: JobKey, _ attempt: Int64) {
        let finished = state.withLock { state -> FinishedDelivery? in
            guard let delivery = state.finished.delivery(of: key), delivery.attempt < attempt,
                state.announced.insert(key).inserted
            else { return nil }
            return delivery
        }
        if let finished { write(.finished(key, finished)) }
    }

    // MARK: Any thread

    func isCancelled(_ key: JobKey, _ enqueued: CancelBook.Enqueued) -> Bool {
        cancel(of: key, enqueued) == .applies
    }

    /// What the cancels that were read are to this message of a job.
    func cancel(of key: JobKey, _ enqueued: CancelBook.Enqueued) -> CancelBook.Concern {
        state.withLock { $0.cancels.concern(key, enqueued) }
    }

    /// Whether this delivery repeats one that was seen through, here or elsewhere.
    func isFinished(_ key: JobKey, _ delivery: FinishedDelivery) -> Bool {
        state.withLock { $0.finished.covers(key, delivery, now: NIODeadline.now().uptimeNanoseconds) }
    }

    /// This worker has seen a delivery through, and acks it.
    func finished(_ key: JobKey, _ delivery: FinishedDelivery) {
        state.withLock { $0.finished.note(key, delivery, now: NIODeadline.now().uptimeNanoseconds) }
    }

    /// The same where the delivery is lost and cannot be acked any more.
    func announceFinished(_ key: JobKey, _ delivery: FinishedDelivery) {
        finished(key, delivery)
        state.withLock { _ = $0.announced.insert(key) }
        write(.finished(key, delivery))
    }

    /// Tells all workers that this one takes the job. `begin` is called on the consumer's thread when all that was written
    /// before is read; never, where the connection is lost before.
    func claim(_ key: JobKey, attempt: Int64, begin: @escaping @Sendable () -> Void) {
        let id = ControlMessage.makeClaimID()
        let generation = state.withLock { state in
            state.claims[id] = begin
            return state.generation
        }
        write(.claim(key, attempt: attempt), id: id) { [self] in
            expectToRead { state in state.generation == generation && state.claims[id] != nil }
        }
    }

    /// What tells the other workers that a cancel was carried out.
    func cancelledMessage(
        _ key: JobKey, settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) -> DurableMessage? {
        ControlMessage.cancelled(key).message(queue: queue, user: user, settled: settled)
    }

    private func write(
        _ message: ControlMessage, id: String? = nil, confirmed: @escaping @Sendable () -> Void = {}
    ) {
        guard let message = message.message(queue: queue, user: user, id: id, settled: { _ in confirmed() }) else {
            return
        }
        publishing(message)
    }

    /// A long stream takes long to read: only a silent one is suspicious.
    ///
    /// - Parameter isMissing: whether what was written has not come yet.
    private func expectToRead(_ isMissing: @escaping @Sendable (borrowing State) -> Bool) {
        let before = state.withLock(\.received)
        timers.scheduleTask(in: Self.readTime) { [self] in
            let (isStillMissing, received) = state.withLock { (isMissing($0), $0.received) }
            guard isStillMissing else { return }
            guard received == before else { return expectToRead(isMissing) }
            logger.warning("the control stream does not come; reading it anew", metadata: [LogKey.queue: "\(queue)"])
            actions.withLock { $0 }?.mustReread()
        }
    }
}
