/// Stops asking an endpoint that does not answer, and finds out with few probes when it does again. Pure; the time is
/// passed in. While it is open no task spends a try.
public struct CircuitBreaker: Sendable {
    /// `[webhooks]`, `breaker_...`
    public struct Policy: Sendable, Equatable {
        /// Failures one after another that open it; 0: never.
        public var failures: Int
        /// How long it stays open the first time; doubled each time that the probes fail.
        public var openTime: Duration
        public var longestOpenTime: Duration
        /// Posts at once while it is half open.
        public var probes: Int

        public init(
            failures: Int = 5, openTime: Duration = .seconds(30), longestOpenTime: Duration = .seconds(600),
            probes: Int = 1
        ) {
            self.failures = failures
            self.openTime = openTime
            self.longestOpenTime = longestOpenTime
            self.probes = max(1, probes)
        }
    }

    public enum State: String, Sendable, CaseIterable {
        case closed
        case open
        case halfOpen = "half_open"
    }

    /// What a try says about the endpoint.
    public enum Verdict: Sendable, Equatable {
        case success
        /// It is down or overloaded.
        case failure
        /// Nothing: the try was cut by the worker.
        case none
    }

    public enum Admission: Sendable, Equatable {
        case pass
        case probe
        /// Ask again after this time.
        case shut(Duration)
    }

    public let policy: Policy
    public private(set) var state = State.closed
    public private(set) var failuresInARow = 0
    private var openings = 0
    private var openUntil: ContinuousClock.Instant?
    private var probesUnderWay = 0

    public init(policy: Policy) { self.policy = policy }

    /// Whether a post may start; one that may has to be followed by `ended`.
    public mutating func admit(now: ContinuousClock.Instant) -> Admission {
        if let wait = shut(now: now) { return .shut(wait) }
        guard state != .closed else { return .pass }
        state = .halfOpen
        probesUnderWay += 1
        return .probe
    }

    /// How long it is shut still; `nil` where a post could start now.
    public func shut(now: ContinuousClock.Instant) -> Duration? {
        switch state {
        case .closed: nil
        case .open: openUntil.flatMap { $0 > now ? $0 - now : nil }
        case .halfOpen: probesUnderWay < policy.probes ? nil : policy.openTime
        }
    }

    /// - Returns: the state where this has changed it.
    public mutating func ended(_ verdict: Verdict, wasProbe: Bool, now: ContinuousClock.Instant) -> State? {
        if wasProbe { probesUnderWay = max(0, probesUnderWay - 1) }
        switch verdict {
        case .none: return nil
        case .success:
            failuresInARow = 0
            openings = 0
            openUntil = nil
            defer { state = .closed }
            return state == .closed ? nil : .closed
        case .failure:
            failuresInARow = min(failuresInARow + 1, 1_000_000)
            switch state {
            case .closed:
                guard policy.failures > 0, failuresInARow >= policy.failures else { return nil }
            case .halfOpen:
                // A post that began before it opened says nothing new.
                guard wasProbe else { return nil }
            case .open: return nil
            }
            let time = min(policy.openTime * (1 << min(openings, 20)), policy.longestOpenTime)
            openings = min(openings + 1, 20)
            openUntil = now + max(time, .zero)
            defer { state = .open }
            return state == .open ? nil : .open
        }
    }
}

extension WebhookOutcome {
    /// Any answer that is no sign of overload says that the endpoint lives, also one that refuses the webhook.
    var verdict: CircuitBreaker.Verdict {
        switch kind {
        case .delivered: .success
        case .status(let status): status >= 500 || status == 408 || status == 429 ? .failure : .success
        case .dns, .connect, .tls, .timeout, .closed, .invalidResponse: .failure
        case .refused, .abandoned, .crowded, .proxyDown, .proxyRefused: .none
        }
    }
}
