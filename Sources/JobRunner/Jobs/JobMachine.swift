internal import ChatModel
internal import Gateway

/// The life of one job in this worker. Pure: every event returns what to do, time and chance are passed in.
///
///     waiting -> connecting -> streaming -> completing -> done
///        ^\__________\___ backing off, waiting again ___/     (docs/ARCHITECTURE.md has all of it)
///
/// The stage of a failure alone decides what becomes of the job: asked again here, moved to a waiting queue, handed back,
/// or ended. A job whose delivery was lost goes on, but completes only after the broker has given it back to this worker.
struct JobMachine: Sendable {
    enum Phase: Sendable, Equatable { case waiting, connecting, streaming, backingOff, completing, done }

    enum Action: Sendable, Equatable {
        /// Ask the gateway, as the present attempt. `restarts`: the answer so far is void.
        case ask(restarts: Bool)
        /// Ask again after this wait (`retryDue`); the place is kept.
        case wait(Duration)
        /// Its models' gates are shut: give the place back and wait in the line (`begin`).
        case yield
        /// Make the terminal and what goes with it, publish, and say `receiptsConfirmed` when all is confirmed.
        case complete(Outcome)
        /// Close the gateway's stream first, then complete.
        case cutAndComplete(Outcome)
        /// Close the gateway's stream; the completion comes later.
        case cut
        /// Put the job into a waiting queue, then ack.
        case park(Duration)
        /// Close the gateway's stream if there is one, put the job back on its queue, then ack.
        case handBack
        /// Ack the delivery; the job is over.
        case acknowledge
        /// Drop all of it without a word: the job is another worker's now.
        case abandon
        case nothing

        /// The attempt that has ended is not the job's last.
        var goesOn: Bool {
            switch self {
            case .wait, .yield, .park, .handBack: true
            case .ask, .complete, .cutAndComplete, .cut, .acknowledge, .abandon, .nothing: false
            }
        }
    }

    enum Outcome: Sendable, Equatable {
        case completed
        indirect case failed(JobFailure)
    }

    /// What earlier deliveries of a job have used up, told by a worker that had parked it.
    struct Spent: Sendable, Equatable {
        /// Times that the gateway was asked.
        var tries = 0
        /// Those of them that count against the retries.
        var failures = 0
    }

    private(set) var phase = Phase.waiting
    private(set) var attempt: AttemptNumber
    private(set) var spent: Spent
    private(set) var hasDelivery = true
    /// The message is being published again, to be somebody's later: its next life is another job's.
    private(set) var isMoving = false
    private let policy: RetryPolicy
    private var hasAsked = false
    private var isDraining = false
    private var receiptsComplete = false
    /// The end of a job whose delivery is lost: without a valid delivery, no terminal.
    private var held: Outcome?

    init(attempt: AttemptNumber, spent: Spent = Spent(), policy: RetryPolicy) {
        self.attempt = attempt
        self.spent = spent
        self.policy = policy
    }

    /// Times that the gateway was asked, earlier deliveries included.
    var tries: Int { spent.tries }

    // MARK: Asking

    /// A place is free for this job, and its model's gate open.
    mutating func begin() -> Action {
        guard phase == .waiting else { return .nothing }
        return ask()
    }

    mutating func retryDue() -> Action {
        guard phase == .backingOff else { return .nothing }
        return ask()
    }

    /// The model that was asked could not answer, and the next one of the job is asked at once.
    mutating func fellBack() -> Action {
        guard phase == .connecting else { return .nothing }
        return ask()
    }

    /// It would ask (again), but no gate of its models is open.
    mutating func foundNoGate() -> Action {
        guard phase == .connecting || phase == .backingOff else { return .nothing }
        if isDraining { return giveBack() }
        phase = .waiting
        return .yield
    }

    private mutating func ask() -> Action {
        // The last number of a delivery is kept for an end that must be told again: under its next life the job has more.
        if hasAsked, attempt.next().isLast { return giveBack() }
        phase = .connecting
        spent.tries += 1
        defer { hasAsked = true }
        if hasAsked { attempt = attempt.next() }
        return .ask(restarts: hasAsked)
    }

    /// The gateway's first output came.
    mutating func outputArrived() {
        if phase == .connecting { phase = .streaming }
    }

    /// The answer goes on under a later attempt (a publish connection was lost), and its end must be made anew.
    ///
    /// - Parameter outcome: how the job had ended, where it had.
    mutating func attemptChanged(_ attempt: AttemptNumber, outcome: Outcome?) -> Action {
        self.attempt = max(self.attempt, attempt)
        guard phase == .completing, !isMoving, let outcome else { return .nothing }
        return finish(outcome)
    }

    /// - Parameters:
    ///   - chance: 0 to 1.
    ///   - age: since a worker saw the job first.
    mutating func streamEnded(_ end: GatewayStreamEnd, chance: Double, age: Duration = .zero) -> Action {
        switch (phase, end) {
        case (.connecting, .complete), (.streaming, .complete): finish(.completed)
        case (.connecting, .failed(let failure)): beforeOutput(JobFailure(failure), chance: chance, age: age)
        case (.streaming, .failed(let failure)): afterOutput(JobFailure(failure), chance: chance)
        default: .nothing
        }
    }

    private mutating func beforeOutput(_ failure: JobFailure, chance: Double, age: Duration) -> Action {
        guard failure.isRetryable else { return finish(.failed(failure)) }
        if failure.isRateLimit {
            guard age + (failure.retryAfter ?? .zero) <= policy.longestWait else { return finish(.failed(failure)) }
            if isDraining { return giveBack() }
            phase = .waiting
            return .yield
        }
        guard let wait = nextWait(failure, chance: chance) else { return finish(.failed(failure.asEnd)) }
        if isDraining { return giveBack() }
        if wait > policy.longestInWorker { return move(.park(wait)) }
        phase = .backingOff
        return .wait(wait)
    }

    private mutating func afterOutput(_ failure: JobFailure, chance: Double) -> Action {
        guard policy.afterFirstToken == .restart, failure.isRetryable, !isDraining,
            let wait = nextWait(failure, chance: chance), failure.retryAfter ?? .zero <= policy.longestInWorker
        else { return finish(.failed(failure)) }
        // Text that was paid for stays in this worker: it is not moved to a queue.
        phase = .backingOff
        return .wait(min(wait, policy.longestInWorker))
    }

    /// Counts the failure; `nil` where it was one too many, or the gateway asks for more patience than there is.
    private mutating func nextWait(_ failure: JobFailure, chance: Double) -> Duration? {
        spent.failures += 1
        let doubled = policy.firstWait * (1 << min(spent.failures - 1, 16)) * (1 + policy.jitter * chance)
        guard spent.failures <= policy.retries, failure.retryAfter ?? .zero <= policy.longestWait else { return nil }
        return max(failure.retryAfter ?? .zero, doubled)
    }

    // MARK: Ends

    /// A limit of the job's own has passed: its deadline, or its total time.
    mutating func timeExpired(_ failure: JobFailure) -> Action { end(.failed(failure)) }

    /// Nobody wants the answer any more.
    mutating func cancelled(_ failure: JobFailure) -> Action { end(.failed(failure)) }

    private mutating func end(_ outcome: Outcome) -> Action {
        switch phase {
        case .waiting, .backingOff: finish(outcome)
        case .connecting, .streaming: finish(outcome, cuts: true)
        case .completing, .done: .nothing
        }
    }

    private mutating func finish(_ outcome: Outcome, cuts: Bool = false) -> Action {
        phase = .completing
        if hasDelivery { return cuts ? .cutAndComplete(outcome) : .complete(outcome) }
        held = outcome
        return cuts ? .cut : .nothing
    }

    /// The worker stops: what has not begun goes back, what runs may finish.
    mutating func drainBegan() -> Action {
        isDraining = true
        return phase == .waiting || phase == .backingOff ? giveBack() : .nothing
    }

    /// The time to finish is over.
    mutating func drainExpired() -> Action {
        switch phase {
        case .waiting, .connecting, .streaming, .backingOff: giveBack()
        case .completing, .done: .nothing
        }
    }

    /// It cannot begin here for long: it goes to a waiting queue, so that its delivery does not grow old.
    mutating func waitExpired(_ wait: Duration) -> Action {
        guard phase == .waiting else { return .nothing }
        return isDraining ? giveBack() : move(.park(wait))
    }

    private mutating func giveBack() -> Action { move(.handBack) }

    private mutating func move(_ action: Action) -> Action {
        // Without its delivery the job is back on its queue already.
        guard hasDelivery else { return claimedElsewhere() }
        phase = .completing
        isMoving = true
        return action
    }

    /// All messages that end (or move) the job are confirmed.
    mutating func receiptsConfirmed() -> Action {
        guard phase == .completing else { return .nothing }
        receiptsComplete = true
        // Moved, it is somebody else's; the broker gives the old message out again, to be recognized as moved.
        if !hasDelivery, isMoving || isDraining { return claimedElsewhere() }
        return settle()
    }

    // MARK: The delivery

    /// The connection that delivered the job is gone. What has cost nothing yet is dropped: the broker gives it out
    /// again. What runs goes on.
    ///
    /// - Parameter wasRecalled: the messages of its end had not been handed to the broker, and were taken back.
    mutating func deliveryLost(outcome: Outcome? = nil, wasRecalled: Bool = false) -> Action {
        hasDelivery = false
        // A worker that stops does not consume again: what it has not told is another's now.
        if isDraining, phase != .completing || wasRecalled { return claimedElsewhere() }
        switch phase {
        case .waiting, .backingOff: return claimedElsewhere()
        case .completing where wasRecalled:
            guard let outcome, !isMoving else { return claimedElsewhere() }
            held = outcome
            return .nothing
        case .connecting, .streaming, .completing, .done: return .nothing
        }
    }

    /// The broker has given the job to this worker again.
    mutating func deliveryAdopted() -> Action {
        hasDelivery = true
        if let outcome = held.take() { return .complete(outcome) }
        return receiptsComplete ? settle() : .nothing
    }

    /// The job was lost to somebody else.
    mutating func claimedElsewhere() -> Action {
        guard phase != .done else { return .nothing }
        phase = .done
        return .abandon
    }

    /// Somebody else has told the end of the delivery that this one repeats.
    mutating func finishedElsewhere() -> Action {
        switch phase {
        case .waiting, .connecting, .streaming, .backingOff:
            guard hasDelivery else { return claimedElsewhere() }
            phase = .done
            return .acknowledge
        case .completing, .done: return .nothing
        }
    }

    private mutating func settle() -> Action {
        guard hasDelivery else { return .nothing }
        phase = .done
        return .acknowledge
    }
}
