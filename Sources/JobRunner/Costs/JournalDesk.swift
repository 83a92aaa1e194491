internal import AMQP
internal import ChatModel
internal import Logging
internal import NIOCore
internal import Synchronization

/// This worker's part in the accounts of all workers: reads `PREFIX.journal` into its `BudgetLedger`, and holds jobs back
/// until it has read all that was written before it came: all of them where there are budgets, else those that may have
/// begun before, of which the journal tells what they have cost.
///
/// Deliveries, openings and losses come on the consumer's thread; everything else from any thread.
final class JournalDesk: Sendable {
    struct Actions: Sendable {
        /// Jobs may begin, and what was held back may go on its way. Without budgets it is called twice: when jobs that never
        /// began before may begin, and when the others may.
        var released: @Sendable ([Delivery]) -> Void
        /// What speaks against this job has changed; `nil`: against any.
        var suspicionChanged: @Sendable (JobKey?) -> Void = { _ in }
        /// The journal does not give back what was written to it.
        var mustReread: @Sendable () -> Void
    }

    fileprivate struct State {
        var ledger: BudgetLedger
        var deaths = DeathRegister()
        /// A mark that is on its way, who waits for it, and who waits for the next one.
        var catchUpMark: String?
        var catchingUp: [@Sendable () -> Void] = []
        var late: [@Sendable () -> Void] = []
        /// The connection that is valid, 0 for none, and the mark that it waits for; `nil` once that was read.
        var generation: UInt64 = 0
        var mark: String?
        var held: [Delivery] = []
        /// Where the last message stood; a message before it tells that the journal is read anew.
        var offset: Int64 = -1
        var received = 0
    }

    /// How long nothing may be read while a confirmed mark has not come.
    private static let readTime = TimeAmount.seconds(10)

    /// By what the other workers know this process.
    let instance = RunID.make()
    private let queue: String
    private let failedQueue: String
    private let user: String
    private let timers: any EventLoop
    private let logger: Logger
    private let publishing: @Sendable (DurableMessage) -> Void
    private let state: Mutex<State>
    private let actions = Mutex<Actions?>(nil)

    /// - Parameter timers: for its deadlines.
    init(
        configuration: JobRunnerConfiguration, timers: any EventLoop, logger: Logger,
        publish: @escaping @Sendable (DurableMessage) -> Void
    ) {
        queue = configuration.plan.names.journal
        failedQueue = configuration.plan.names.failed
        user = configuration.broker.username
        self.timers = timers
        self.logger = logger
        publishing = publish
        state = Mutex(
            State(ledger: BudgetLedger(policy: configuration.budgets, holdTime: Self.holdTime(configuration))))
    }

    /// No attempt takes longer, with a minute for what is on its way.
    private static func holdTime(_ configuration: JobRunnerConfiguration) -> Duration {
        configuration.totalTimeout + configuration.drainTimeout + .seconds(60)
    }

    /// From when on the journal is to be read, in seconds since 1970: the beginning of the longest period that somebody has a
    /// budget for; without budgets, of what may still be running.
    static func start(_ configuration: JobRunnerConfiguration, now: Timestamp) -> UInt64 {
        let hour: Int64 = 3_600_000
        var start = now.milliseconds - holdTime(configuration).milliseconds - hour
        // A worker whose clock goes behind may have written what counts in the period before.
        if configuration.budgets.hasDays { start = min(start, BudgetPeriod.day.start(at: now.milliseconds) - hour) }
        if configuration.budgets.hasMonths {
            start = min(start, BudgetPeriod.month.start(at: now.milliseconds) - hour)
        }
        return UInt64(max(0, start / 1_000))
    }

    func attach(_ actions: Actions) { self.actions.withLock { $0 = actions } }

    // MARK: Consumer's thread

    /// Jobs of this connection that are held back begin only after everything that was written while this worker was away
    /// is read.
    func opened(generation: UInt64) {
        let mark = "\(JournalMessage.Kind.sync)/\(RunID.make())"
        let hasBudgets = state.withLock { state in
            state.generation = generation
            state.mark = mark
            state.held = []
            return state.ledger.policy.hasBudgets
        }
        if !hasBudgets { actions.withLock { $0 }?.released([]) }
        send(mark)
    }

    /// Takes a job's delivery into custody while the journal is not read to its mark.
    func holds(_ delivery: Delivery) -> Bool {
        state.withLock { state in
            guard state.mark != nil, state.ledger.policy.hasBudgets || mayHaveBegun(delivery) else { return false }
            state.held.append(delivery)
            return true
        }
    }

    /// What it waits to read; `nil`: it has read all that was written before it came.
    var mark: String? { state.withLock(\.mark) }
    /// Likewise for jobs that were given out before.
    var catchUpMark: String? { state.withLock(\.catchUpMark) }

    private func mayHaveBegun(_ delivery: Delivery) -> Bool {
        delivery.redelivered || delivery.queue == failedQueue
            || Republication.attempt(of: delivery, workerUser: user).hasPredecessor
    }

    func received(_ delivery: Delivery) {
        let message = JournalMessage(delivery, workerUser: user)
        let now = WallClock.now().milliseconds
        let held = state.withLock { state -> [Delivery]? in
            state.received &+= 1
            if let offset = delivery.properties.headers.integer("x-stream-offset") {
                if offset <= state.offset {
                    state.ledger.restart()
                    state.deaths = DeathRegister()
                }
                state.offset = offset
            }
            switch message {
            case .started(let start): state.deaths.began(start)
            case .spent(let key, let attempt, _, _, let outcome): state.note(key, attempt, outcome, now: now)
            case .convicted(let key): state.deaths.convicted(key)
            case .sync(let mark) where mark == state.mark:
                state.mark = nil
                defer { state.held = [] }
                return state.held
            case .sync, nil: break
            }
            if let message { state.ledger.heed(message, now: now) }
            return nil
        }
        if let held { actions.withLock { $0 }?.released(held) }
        switch message {
        case .sync(let mark): caughtUp(mark)
        case .convicted: actions.withLock { $0 }?.suspicionChanged(nil)
        case .spent(let key, _, _, _, .discarded?): actions.withLock { $0 }?.suspicionChanged(key)
        case .spent, .started, nil: break
        }
    }

    func lost() {
        state.withLock { state in
            state.generation = 0
            state.held = []
            (state.catchUpMark, state.catchingUp, state.late) = (nil, [], [])
        }
    }

    /// The mark is confirmed, and has to be read; a long journal takes its time, but not without giving anything.
    private func expect(_ mark: String, received before: Int?) {
        let (isMissing, received) = state.withLock {
            (($0.mark == mark || $0.catchUpMark == mark) && $0.generation != 0, $0.received)
        }
        guard isMissing else { return }
        if before == received {
            logger.warning("the journal did not give back its mark", metadata: [LogKey.queue: "\(queue)"])
            actions.withLock { $0 }?.mustReread()
        } else {
            timers.scheduleTask(in: Self.readTime) { [self] in expect(mark, received: received) }
        }
    }

    // MARK: Any thread

    /// `resume` is called on the consumer's thread when all that stands in the journal by now is read; never, where the
    /// connection is lost before. One mark serves all who ask while another is on its way.
    func catchUp(_ resume: @escaping @Sendable () -> Void) {
        let mark = state.withLock { state -> String? in
            guard state.catchUpMark == nil else {
                state.late.append(resume)
                return nil
            }
            state.catchingUp = [resume]
            return state.newCatchUpMark()
        }
        if let mark { send(mark) }
    }

    private func caughtUp(_ mark: String) {
        let (ready, next) = state.withLock { state -> ([@Sendable () -> Void], String?) in
            guard mark == state.catchUpMark else { return ([], nil) }
            let ready = state.catchingUp
            (state.catchUpMark, state.catchingUp, state.late) = (nil, state.late, [])
            return (ready, state.catchingUp.isEmpty ? nil : state.newCatchUpMark())
        }
        for resume in ready { resume() }
        if let next { send(next) }
    }

    private func send(_ mark: String) {
        let message = JournalMessage.mark(mark, queue: queue, user: user) { [self] _ in expect(mark, received: nil) }
        if let message { publishing(message) }
    }

    /// What speaks against a job.
    func record(of key: JobKey) -> DeathRecord {
        state.withLock {
            $0.deaths.record(
                of: key, open: $0.ledger.begun(key), besides: instance, now: WallClock.now().milliseconds)
        }
    }

    /// What the ledger says, in its lock: never on the path of a token.
    func withLedger<Value>(_ body: (inout BudgetLedger) -> Value) -> Value where Value: Sendable {
        state.withLock { body(&$0.ledger) }
    }
}

extension JournalDesk.State {
    fileprivate mutating func newCatchUpMark() -> String {
        let mark = "\(JournalMessage.Kind.sync)/\(RunID.make())"
        catchUpMark = mark
        return mark
    }

    /// What an attempt's end says of its worker: told before the ledger forgets that it had begun.
    fileprivate mutating func note(_ key: JobKey, _ attempt: Int64, _ outcome: Charge.Outcome?, now: Int64) {
        switch outcome {
        case .killed:
            if let start = ledger.begun(key).first(where: { $0.attempt == attempt }) { deaths.died(start, now: now) }
        case .discarded: deaths.lives(key, attempt)
        case .completed, .failed:
            let start = ledger.begun(key).first { $0.attempt == attempt }
            deaths.ended(key, passed: start.map { $0.suspects > 0 } ?? false)
        case .cancelled: deaths.ended(key)
        case nil: break
        }
    }
}
