internal import ChatModel
internal import NIOCore
internal import Synchronization

/// What the configuration says about one gateway that is not the gateway client's to know.
public struct GatewayRules: Sendable, Equatable {
    /// Requests under way at once, of this worker; `nil`: as many as there are.
    public var maximumInFlight: Int?
    public var coolDown: CoolDownPolicy

    public init(maximumInFlight: Int? = nil, coolDown: CoolDownPolicy = CoolDownPolicy()) {
        self.maximumInFlight = maximumInFlight
        self.coolDown = coolDown
    }
}

/// The gates of all models and gateways: rate limits, cool-downs, and how many requests are under way. Any thread.
final class RouteGates: Sendable {
    /// A request that was let through.
    struct Pass: Sendable {
        let key: RouteKey
        /// Why it is not the first of its lane.
        let skipped: FallbackCause?
        fileprivate let rate: RateGate.Pass
        fileprivate let health: HealthGate.Pass
        /// Later requests have higher ones.
        fileprivate let number: UInt64
        /// The gates have heard what they need; it only counts as under way.
        fileprivate var isAnswered = false
    }

    /// How a request ended.
    enum End: Sendable, Equatable {
        case answered
        /// 429. `since`: the `mark` of the last one that the same job met at this model.
        case limited(retryAfter: Duration?, since: UInt64? = nil)
        /// Nothing came, and the gateway is to blame.
        case unavailable
        /// It says nothing about the gateway.
        case other
    }

    /// What the gates did about an end, for the log.
    enum Change: Sendable, Equatable {
        case none
        /// A rate limit; shut for so long.
        case shut(Duration)
        /// A rate limit that this job alone meets (`RateGate.concernsOneJob`).
        case limitedAlone
        case coolsDown(Duration)
    }

    struct Limits: Sendable, Equatable {
        var models: [RouteKey: Int] = [:]
        var gateways: [String: Int] = [:]
    }

    /// Only those with something to remember: models are named by jobs, and there may be any number.
    private struct State {
        var rates: [RouteKey: RateGate] = [:]
        var health: [RouteKey: HealthGate] = [:]
        /// Requests under way.
        var models: [RouteKey: Int] = [:]
        var gateways: [String: Int] = [:]
        /// Requests that were let through.
        var entered: UInt64 = 0
        var limits: Limits
        var coolDowns: [String: CoolDownPolicy]
        /// Of the keys of `rates` and `health`.
        var memory = KeyMemory<RouteKey>(most: RouteGates.mostRemembered, age: RouteGates.memoryAge)

        /// A gate that shuts for a model that nobody asks for again would stay for good.
        mutating func remember(_ key: RouteKey, now: UInt64) {
            memory.touch(key, now: now)
            let (rates, health) = (rates, health)
            let gone = memory.stale(now: now) { key in
                (rates[key]?.remaining(now: now) ?? .zero) > .zero || health[key]?.isCooling(now: now) == true
            }
            for key in gone { (self.rates[key], self.health[key]) = (nil, nil) }
        }

        /// Nothing is held against it.
        mutating func forgetIfIdle(_ key: RouteKey) {
            if rates[key] == nil, health[key] == nil { memory.forget(key) }
        }

        /// All are counted, since a limit may be new.
        mutating func count(_ key: RouteKey, _ change: Int) {
            let (model, gateway) = ((models[key] ?? 0) + change, (gateways[key.gateway] ?? 0) + change)
            models[key] = model > 0 ? model : nil
            gateways[key.gateway] = gateway > 0 ? gateway : nil
        }
    }

    /// Models with a rate limit or failures in a row that are remembered, and for how many nanoseconds after the last of them.
    static let mostRemembered = 1_024
    static let memoryAge: UInt64 = 900_000_000_000

    private let state: Mutex<State>

    /// Models of which something is remembered.
    var rememberedCount: Int { state.withLock { Set($0.rates.keys).union($0.health.keys).count } }

    init(limits: Limits = Limits(), coolDowns: [String: CoolDownPolicy] = [:]) {
        state = Mutex(State(limits: limits, coolDowns: coolDowns))
    }

    /// From the next request on. Those under way are counted where a limit is new, too.
    func update(limits: Limits, coolDowns: [String: CoolDownPolicy]) {
        state.withLock { state in
            state.limits = limits
            state.coolDowns = coolDowns
        }
    }

    private static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

    /// Whether one of the lane may be asked now.
    func isOpen(_ lane: RouteLane) -> Bool {
        let now = Self.now()
        return state.withLock { state in
            guard let (key, _) = choose(lane, &state, now) else { return false }
            return isFree(key, &state, now)
        }
    }

    /// A request goes to the first of the lane that may be asked. `nil`: it has to wait.
    ///
    /// - Parameter isForced: it goes in any case.
    func enter(_ lane: RouteLane, isForced: Bool = false) -> Pass? {
        let now = Self.now()
        return state.withLock { state in
            guard let (key, skipped) = choose(lane, &state, now) else { return nil }
            guard isForced || isFree(key, &state, now) else { return nil }
            state.count(key, 1)
            state.entered &+= 1
            return Pass(
                key: key, skipped: skipped, rate: state.rates[key]?.enter(now: now) ?? RateGate.open,
                health: state.health[key]?.enter(now: now) ?? HealthGate.closed, number: state.entered)
        }
    }

    /// To remember with a 429: who enters from now on has a higher number.
    var mark: UInt64 { state.withLock { $0.entered } }

    /// The gateway began to answer.
    func answered(_ pass: inout Pass) {
        guard !pass.isAnswered else { return }
        pass.isAnswered = true
        state.withLock { settle(pass, .answered, &$0) }
    }

    /// The request has ended.
    func left(_ pass: Pass, _ end: End) -> Change {
        let now = Self.now()
        return state.withLock { state in
            state.count(pass.key, -1)
            guard !pass.isAnswered else { return .none }
            switch end {
            case .answered, .other: settle(pass, end, &state)
            case .limited(let retryAfter, let mark):
                state.health[pass.key]?.left(pass.health)
                if RateGate.concernsOneJob(state.rates[pass.key], since: mark) {
                    settleRate(pass, &state) { $0.left(pass.rate) }
                    return .limitedAlone
                }
                var gate = state.rates[pass.key] ?? RateGate()
                gate.limited(pass.rate, retryAfter: retryAfter, now: now, chance: Double.random(in: 0..<1))
                state.rates[pass.key] = gate
                state.remember(pass.key, now: now)
                return .shut(gate.remaining(now: now))
            case .unavailable:
                settleRate(pass, &state) { $0.left(pass.rate) }
                let policy = state.coolDowns[pass.key.gateway] ?? CoolDownPolicy()
                let pause = state.health[pass.key, default: HealthGate()].failed(pass.health, policy, now: now)
                state.remember(pass.key, now: now)
                return pause.map { .coolsDown($0) } ?? .none
            }
            return .none
        }
    }

    /// Models that are asked, or that there is something to remember of: the busiest, then those that are not asked for a reason.
    func readings(most: Int) -> [JobRunner.Live.Model] {
        let now = Self.now()
        let found = state.withLock { state in
            Set(state.models.keys).union(state.rates.keys).union(state.health.keys).map { key in
                JobRunner.Live.Model(
                    gateway: key.gateway, model: key.model, inFlight: state.models[key] ?? 0,
                    gate: state.health[key]?.isCooling(now: now) == true
                        ? "cooling" : state.rates[key]?.isOpen(now: now) == false ? "limited" : "open")
            }
        }
        let shown = found.sorted { left, right in
            guard left.inFlight == right.inFlight else { return left.inFlight > right.inFlight }
            guard (left.gate == "open") == (right.gate == "open") else { return left.gate != "open" }
            return (left.gateway, left.model) < (right.gateway, right.model)
        }
        return shown.prefix(most).sorted { ($0.gateway, $0.model) < ($1.gateway, $1.model) }
    }

    /// How long none of the lane can be asked because of a rate limit; zero where one can.
    func remaining(_ lane: RouteLane) -> Duration {
        let now = Self.now()
        return state.withLock { state in
            let keys = lane.skipsLimited ? lane.keys : Array(lane.keys.prefix(1))
            return keys.map { state.rates[$0]?.remaining(now: now) ?? .zero }.min() ?? .zero
        }
    }

    /// When the first of the shut gates opens; monotonic nanoseconds, `nil` where none is shut.
    var nextOpening: UInt64? {
        let now = Self.now()
        return state.withLock { state in
            state.rates.values.map { $0.remaining(now: now) }.filter { $0 > .zero }.min()
        }.map { now &+ UInt64(clamping: $0.milliseconds + 1) &* 1_000_000 }
    }

    // MARK: - With the lock

    /// The first that neither cools down nor is shut; where all do, the first: it is waited for, or asked, as one that
    /// is alone.
    private func choose(
        _ lane: RouteLane, _ state: inout State, _ now: UInt64
    ) -> (key: RouteKey, skipped: FallbackCause?)? {
        guard lane.keys.count > 1 else { return lane.keys.first.map { ($0, nil) } }
        var skipped: FallbackCause?
        for key in lane.keys {
            if lane.skipsCooling, state.health[key]?.isCooling(now: now) == true {
                skipped = skipped ?? .unavailable
            } else if lane.skipsLimited, state.rates[key]?.isOpen(now: now) == false {
                skipped = skipped ?? .rateLimited
            } else {
                return (key, skipped)
            }
        }
        return lane.keys.first.map { ($0, nil) }
    }

    private func isFree(_ key: RouteKey, _ state: inout State, _ now: UInt64) -> Bool {
        if let most = state.limits.models[key], state.models[key] ?? 0 >= most { return false }
        if let most = state.limits.gateways[key.gateway], state.gateways[key.gateway] ?? 0 >= most { return false }
        return state.rates[key]?.isOpen(now: now) ?? true
    }

    private func settle(_ pass: Pass, _ end: End, _ state: inout State) {
        let isAnswer = end == .answered
        defer { state.forgetIfIdle(pass.key) }
        settleRate(pass, &state) { gate in
            guard isAnswer else { return gate.left(pass.rate) }
            gate.noteAnswer(to: pass.number)
            gate.answered(pass.rate)
        }
        guard var gate = state.health[pass.key] else { return }
        if isAnswer { gate.answered() } else { gate.left(pass.health) }
        state.health[pass.key] = gate.isIdle ? nil : gate
    }

    private func settleRate(_ pass: Pass, _ state: inout State, _ change: (inout RateGate) -> Void) {
        guard var gate = state.rates[pass.key] else { return }
        change(&gate)
        state.rates[pass.key] = gate.isIdle ? nil : gate
    }
}
