/// When a model of a gateway is left alone for a while, and when it is tried again.
public struct CoolDownPolicy: Sendable, Equatable {
    /// So many failures in a row begin a cool-down; 0: none ever does.
    public var failures: Int
    /// The first; doubled each time that the probe after it fails.
    public var first: Duration
    public var longest: Duration

    public init(failures: Int = 5, first: Duration = .seconds(10), longest: Duration = .seconds(300)) {
        self.failures = failures
        self.first = first
        self.longest = longest
    }
}

/// Whether one model of one gateway works. Pure; the time (monotonic nanoseconds) is passed in.
///
///     closed --failures in a row--> cooling --time--> half open --a probe answers--> closed
///                                      ^------the probe fails-----+
///
/// It only advises: whoever has nobody else to ask may ask all the same, and an answer to him closes it, too.
struct HealthGate: Sendable {
    /// Who has asked, and when.
    struct Pass: Sendable, Equatable {
        /// Counts the cool-downs.
        fileprivate var epoch: Int
        fileprivate var isProbe: Bool
    }

    /// Of a gate that has seen no failure.
    static let closed = Pass(epoch: 0, isProbe: false)

    private enum State: Equatable {
        case closed(failures: Int)
        case cooling(until: UInt64)
        /// The one request that shows whether it is over is under way.
        case probing
    }

    private var state = State.closed(failures: 0)
    private var epoch = 0
    /// Cool-downs since it last worked.
    private var rounds = 0

    /// Those who can ask somebody else should.
    func isCooling(now: UInt64) -> Bool {
        switch state {
        case .closed: false
        case .cooling(let until): now < until
        case .probing: true
        }
    }

    /// A request goes.
    mutating func enter(now: UInt64) -> Pass {
        guard case .cooling(let until) = state, now >= until else { return Pass(epoch: epoch, isProbe: false) }
        state = .probing
        return Pass(epoch: epoch, isProbe: true)
    }

    /// The gateway began to answer.
    mutating func answered() {
        state = .closed(failures: 0)
        rounds = 0
    }

    /// - Returns: how long it cools down, where that begins now.
    mutating func failed(_ pass: Pass, _ policy: CoolDownPolicy, now: UInt64) -> Duration? {
        // What was asked before the cool-down, or in spite of it, says nothing new.
        guard pass.epoch == epoch, policy.failures > 0 else { return nil }
        switch state {
        case .closed(let failures) where failures + 1 < policy.failures:
            state = .closed(failures: failures + 1)
            return nil
        case .closed: break
        case .probing where pass.isProbe: break
        case .cooling, .probing: return nil
        }
        let pause = min(policy.longest, policy.first * (1 << min(rounds, 16)))
        rounds += 1
        epoch += 1
        state = .cooling(until: now &+ UInt64(clamping: pause.milliseconds) &* 1_000_000)
        return pause
    }

    /// It ended in a way that says nothing about the gateway: somebody else may probe.
    mutating func left(_ pass: Pass) {
        if state == .probing, pass.isProbe, pass.epoch == epoch { state = .cooling(until: 0) }
    }

    /// Nothing is remembered: the gate can be forgotten.
    var isIdle: Bool { state == .closed(failures: 0) }
}
