internal import ChatModel
internal import Gateway

/// The life of one job in this worker. Pure: every event returns what to do, time and chance are passed in.
///
///     waiting -> connecting -> streaming -> completing -> done
///        \____________\____ backing off (before the first output) ____/
///
/// A job whose delivery was lost goes on, but completes only after the broker has given it back to this worker.
struct JobMachine: Sendable {
    enum Phase: Sendable, Equatable { case waiting, connecting, streaming, backingOff, completing, done }

    enum Action: Sendable, Equatable {
        /// Ask the gateway, as the present attempt. `restarts`: the answer so far is void.
        case ask(restarts: Bool)
        /// Ask again after this wait (`retryDue`).
        case wait(Duration)
        /// Make the terminal and what goes with it, publish, and say `receiptsComplete` when all is confirmed.
        case complete(Outcome)
        /// Close the gateway's stream first, then complete.
        case cutAndComplete(Outcome)
        /// Close the gateway's stream; the completion comes later.
        case cut
        /// Close the gateway's stream if there is one, put the job back on its queue, then ack.
        case handBack
        /// Ack the delivery; the job is over.
        case acknowledge
        /// Drop all of it without a word: the job is another worker's now.
        case abandon
        case nothing
    }

    enum Outcome: Sendable, Equatable {
        case completed
        case failed(JobFailure)
    }

    struct Policy: Sendable, Equatable {
        /// Tries beyond the first, before the first output.
        var retries = 5
        /// The first wait; doubled each time (the gateway's guide: 1 s x 2^n, at most 5).
        var firstWait = Duration.seconds(1)
        /// The longest wait in the worker; a gateway that asks for more fails the job.
        var longestWait = Duration.seconds(60)
        /// Fraction of a wait that chance adds.
        var jitter = 0.25
    }

    private(set) var phase = Phase.waiting
    private(set) var attempt: AttemptNumber
    /// Tries of the gateway so far.
    private(set) var tries = 0
    private(set) var hasDelivery = true
    private let policy: Policy
    private var isDraining = false
    private var receiptsComplete = false
    /// The end of a job whose delivery is lost: without a valid delivery, no terminal.
    private var held: Outcome?

    init(attempt: AttemptNumber, policy: Policy) {
        self.attempt = attempt
        self.policy = policy
    }

    /// A place is free for this job.
    mutating func begin() -> Action {
        guard phase == .waiting else { return .nothing }
        phase = .connecting
        tries = 1
        return .ask(restarts: false)
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
        guard phase == .completing, let outcome else { return .nothing }
        return finish(outcome)
    }

    /// - Parameter chance: 0 to 1.
    mutating func streamEnded(_ end: GatewayStreamEnd, chance: Double) -> Action {
        switch (phase, end) {
        case (.connecting, .complete), (.streaming, .complete):
            return finish(.completed)
        case (.connecting, .failed(let failure)):
            return retryOrFail(JobFailure(failure), chance: chance)
        case (.streaming, .failed(let failure)): return finish(.failed(JobFailure(failure)))
        default: return .nothing
        }
    }

    private mutating func retryOrFail(_ failure: JobFailure, chance: Double) -> Action {
        let doubled = policy.firstWait * (1 << min(tries - 1, 16)) * (1 + policy.jitter * chance)
        let wait = max(failure.retryAfter ?? .zero, doubled)
        guard failure.isRetryable, tries <= policy.retries, wait <= policy.longestWait * 2,
            failure.retryAfter ?? .zero <= policy.longestWait
        else { return finish(.failed(failure)) }
        if isDraining { return giveBack() }
        phase = .backingOff
        return .wait(min(wait, policy.longestWait))
    }

    mutating func retryDue() -> Action {
        guard phase == .backingOff else { return .nothing }
        phase = .connecting
        tries += 1
        attempt = attempt.next()
        return .ask(restarts: true)
    }

    /// A limit of the job's own has passed: its deadline, or its total time.
    mutating func timeExpired(_ failure: JobFailure) -> Action {
        switch phase {
        case .waiting, .backingOff: finish(.failed(failure))
        case .connecting, .streaming: finish(.failed(failure), cuts: true)
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

    /// It has waited long enough for a place in this worker.
    mutating func waitExpired() -> Action { phase == .waiting ? giveBack() : .nothing }

    private mutating func giveBack() -> Action {
        // Without its delivery the job is back on its queue already.
        guard hasDelivery else { return claimedElsewhere() }
        phase = .completing
        return .handBack
    }

    /// All messages that end (or hand back) the job are confirmed.
    mutating func receiptsConfirmed() -> Action {
        guard phase == .completing else { return .nothing }
        receiptsComplete = true
        return settle()
    }

    /// The connection that delivered the job is gone. What has cost nothing yet is dropped: the broker gives it out
    /// again. What runs goes on.
    mutating func deliveryLost() -> Action {
        hasDelivery = false
        return phase == .waiting || phase == .backingOff ? claimedElsewhere() : .nothing
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

    private mutating func settle() -> Action {
        guard hasDelivery else { return .nothing }
        phase = .done
        return .acknowledge
    }
}
