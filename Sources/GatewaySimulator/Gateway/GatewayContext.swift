import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// What all connections of a simulated gateway share. Used from every event loop.
final class GatewayContext: Sendable {
    let options: SimulatedGateway.Options
    let planner: AnswerPlanner
    let recorder: AnswerRecorder
    let bridge: UpstreamBridge?

    private let connections = Atomic<Int>(0)
    private let closedConnections = Atomic<Int>(0)
    private let accepted = Atomic<Int>(0)
    private let upgrades = Atomic<Int>(0)
    private let refused = Atomic<Int>(0)
    private let requests = Atomic<Int>(0)
    private let underWay = Atomic<Int>(0)
    private let mostAtOnce = Atomic<Int>(0)
    private let answers = Atomic<Int>(0)
    private let tokens = Atomic<Int>(0)
    private let chance: Mutex<SeededGenerator>
    /// How often each `user` with directives has asked.
    private let tries = Mutex<[String: Int]>([:])
    private let scenario: Mutex<ScenarioPlayer>

    init(options: SimulatedGateway.Options, recorder: AnswerRecorder, bridge: UpstreamBridge?) {
        self.options = options
        self.planner = AnswerPlanner(options: options)
        self.recorder = recorder
        self.bridge = bridge
        self.chance = Mutex(SeededGenerator(seed: options.seed &+ 0x5EED))
        scenario = Mutex(ScenarioPlayer(options.scenario, seed: options.seed &+ 0x5CE0))
    }

    var counters: SimulatedGateway.Counters {
        SimulatedGateway.Counters(
            connections: connections.load(ordering: .relaxed),
            openConnections: connections.load(ordering: .relaxed) - closedConnections.load(ordering: .relaxed),
            refused: refused.load(ordering: .relaxed), requests: requests.load(ordering: .relaxed),
            mostAtOnce: mostAtOnce.load(ordering: .relaxed),
            answers: answers.load(ordering: .relaxed), tokens: tokens.load(ordering: .relaxed))
    }

    /// What a connection meets before its first byte.
    func faultOfNextConnection() -> Fault? {
        fault(at: .connection, ordinal: accepted.wrappingAdd(1, ordering: .relaxed).newValue, .init())
    }

    /// What an upgrade, or a request over HTTP, meets instead of an answer.
    func faultOfNextHead(_ subject: Scenario.Subject) -> Fault? {
        fault(at: .head, ordinal: upgrades.wrappingAdd(1, ordering: .relaxed).newValue, subject)
    }

    /// The fault that a request meets: first what it asks for itself, then what the options say.
    ///
    /// - Parameter model: what it is for; over a WebSocket perhaps only the address says it.
    func fault(for request: ChatRequest, model: String, ordinal: Int) -> Fault? {
        if !request.directives.faults.isEmpty {
            let attempt = tries.withLock { tries in
                tries[request.user ?? "", default: 0] += 1
                return tries[request.user ?? "", default: 0]
            }
            if let fault = pick(request.directives.faults, ordinal: attempt) { return fault }
        }
        return fault(
            at: .request, ordinal: ordinal + 1, .init(model: model, user: request.user, text: request.prompt))
    }

    /// First what the options say, then the scenario.
    private func fault(at stage: Fault.Stage, ordinal: Int, _ subject: Scenario.Subject) -> Fault? {
        pick(options.faults.filter { $0.fault.stage == stage }, ordinal: ordinal)
            ?? scenario.withLock { $0.fault(at: stage, for: subject) }
    }

    func nextConnection() -> Int { connections.wrappingAdd(1, ordering: .relaxed).oldValue }
    func connectionClosed() { closedConnections.wrappingAdd(1, ordering: .relaxed) }
    func nextRequest() -> Int {
        mostAtOnce.max(underWay.add(1, ordering: .relaxed).newValue, ordering: .relaxed)
        return requests.wrappingAdd(1, ordering: .relaxed).oldValue
    }
    func countRefused() { refused.wrappingAdd(1, ordering: .relaxed) }
    func countTokens(_ count: Int) { tokens.wrappingAdd(count, ordering: .relaxed) }
    /// Writes down what became of a request.
    func record(
        _ served: ServedRequest, connection: Int, id: String, model: String, end: SimulatedAnswer.End, tokens: Int,
        texts: [String]
    ) {
        underWay.subtract(1, ordering: .relaxed)
        if end == .complete { answers.wrappingAdd(1, ordering: .relaxed) }
        recorder.record {
            SimulatedAnswer(
                request: served.ordinal, connection: connection, id: id, model: model, user: served.request.user,
                end: end,
                tokens: tokens, texts: texts, requestBody: Array(served.body.readableBytesView))
        }
    }

    /// Seconds since 1970, for `created`.
    static func now() -> Int { time(nil) }

    private func pick(_ rules: [FaultRule], ordinal: Int) -> Fault? {
        guard !rules.isEmpty else { return nil }
        return chance.withLock { generator in
            rules.first { $0.strikes(ordinal: ordinal, using: &generator) }?.fault
        }
    }
}
