/// Lets requests for one model under one key through, or makes them wait after the gateway asked for fewer (429).
/// Pure; the time (monotonic nanoseconds) is passed in.
///
///     open --limited--> shut --time--> careful --enough answers--> open
///                         ^----limited----+
///
/// After a pause requests are not let go all at once: at first one, then one more for each answer (TCP's slow start),
/// so that a crowd that has gathered does not run into the same limit together.
struct RateGate: Sendable {
    /// Who was let through, and when.
    struct Pass: Sendable, Equatable {
        /// Counts the gate's pauses.
        fileprivate var epoch: Int
    }

    /// Of a gate that nobody has shut.
    static let open = Pass(epoch: 0)

    private enum State: Equatable {
        case open
        case shut(until: UInt64)
        case careful(credit: Int, underWay: Int)
    }

    /// Pauses where the gateway says nothing: the first, and the longest.
    static let firstPause = Duration.seconds(1)
    static let longestPause = Duration.seconds(60)
    /// So many requests under way without a refusal: the limit is far.
    static let enoughCredit = 64

    private var state = State.open
    private var epoch = 0
    /// Pauses since it was open last.
    private var pauses = 0
    /// The highest number of a request that was answered.
    private var lastAnswered: UInt64 = 0

    /// Whether a request may go now. Asks only.
    mutating func isOpen(now: UInt64) -> Bool {
        switch state {
        case .open: return true
        case .shut(let until):
            guard now >= until else { return false }
            state = .careful(credit: 1, underWay: 0)
            return true
        case .careful(let credit, let underWay): return underWay < credit
        }
    }

    /// A request goes.
    mutating func enter(now: UInt64) -> Pass {
        if isOpen(now: now), case .careful(let credit, let underWay) = state {
            state = .careful(credit: credit, underWay: underWay + 1)
        }
        return Pass(epoch: epoch)
    }

    /// The gateway began to answer it.
    mutating func answered(_ pass: Pass) { left(pass, wasAnswered: true) }

    /// It ended otherwise: its place is free again.
    mutating func left(_ pass: Pass) { left(pass, wasAnswered: false) }

    private mutating func left(_ pass: Pass, wasAnswered: Bool) {
        guard pass.epoch == epoch, case .careful(let credit, let underWay) = state else { return }
        let more = wasAnswered ? credit + 1 : credit
        guard more < Self.enoughCredit else {
            state = .open
            pauses = 0
            return
        }
        state = .careful(credit: more, underWay: max(0, underWay - 1))
    }

    /// The gateway refused it with 429.
    ///
    /// - Parameters:
    ///   - retryAfter: what the gateway asked for.
    ///   - chance: 0 to 1; spreads the pauses of several workers.
    mutating func limited(_ pass: Pass, retryAfter: Duration?, now: UInt64, chance: Double) {
        // Of requests that went out together the first refusal counts; the others can only make the pause longer.
        let isFirst = pass.epoch == epoch
        if isFirst {
            epoch += 1
            pauses += 1
        }
        let own = min(Self.longestPause, Self.firstPause * (1 << min(pauses - 1, 16))) * (1 + 0.25 * chance)
        let pause = retryAfter.map { $0 * (1 + 0.05 * chance) } ?? (isFirst ? own : .zero)
        let until = now &+ UInt64(clamping: pause.milliseconds) &* 1_000_000
        if case .shut(let before) = state {
            state = .shut(until: max(before, until))
        } else if isFirst || retryAfter != nil {
            state = .shut(until: until)
        }
    }

    /// A request was answered. - Parameter number: of the request; later ones have higher numbers.
    mutating func noteAnswer(to number: UInt64) { lastAnswered = max(lastAnswered, number) }

    /// Whether a 429 concerns the job alone that meets it: it has met one before, and since then others that went out later were
    /// answered. What nobody else meets, as a request that is larger than what others leave of a minute's tokens, must not stop
    /// them: the gate stays as it is, and the 429 counts among the job's own failures.
    ///
    /// - Parameters:
    ///   - gate: `nil`: so many were answered that it has been forgotten.
    ///   - mark: the number of the last request that had gone out when the job met its last 429; `nil`: it has met none.
    static func concernsOneJob(_ gate: RateGate?, since mark: UInt64?) -> Bool {
        guard let mark else { return false }
        return gate.map { $0.lastAnswered > mark } ?? true
    }

    /// How long it stays shut; zero where it is not.
    func remaining(now: UInt64) -> Duration {
        guard case .shut(let until) = state, until > now else { return .zero }
        return .nanoseconds(Int64(clamping: until - now))
    }

    /// Nothing is remembered: the gate can be forgotten.
    var isIdle: Bool { state == .open && pauses == 0 }
}
