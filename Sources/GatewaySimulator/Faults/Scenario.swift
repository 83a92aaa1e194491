/// Which faults meet whom: rules, and what else happens by chance. Written as a file in TOML, see `docs/GATEWAYS.md`.
public struct Scenario: Sendable, Equatable {
    /// Whom it concerns, how often, and what happens then. The first rule that fits decides.
    public struct Rule: Sendable, Equatable {
        /// `gpt-4.1`, or with a `*` at its end what a name begins with; `nil`: any.
        public var model: String?
        /// The request's `user`.
        public var user: String?
        /// Stands in the last user message.
        public var text: String?
        /// Of those that fit what is said above, counted from 1 for each rule.
        public var requests: ClosedRange<Int>?
        /// 0 to 100.
        public var percent = 100.0
        /// `nil`: nothing goes wrong, whatever later rules and the mix say.
        public var fault: Fault?

        public init(fault: Fault?) { self.fault = fault }

        /// Looks into the request itself.
        var readsRequest: Bool { user != nil || text != nil }

        /// A rule about the request's content is asked when that has come, whatever its fault.
        func isAsked(at stage: Fault.Stage) -> Bool {
            guard let fault else { return stage == .request || (stage == .head && !readsRequest) }
            return stage == (readsRequest && fault.stage == .head ? .request : fault.stage)
        }

        func fits(_ subject: Subject) -> Bool {
            (model.map { Self.fits($0, subject.model) } ?? true) && (user.map { $0 == subject.user } ?? true)
                && (text.map { subject.text.contains($0) } ?? true)
        }

        private static func fits(_ pattern: String, _ model: String) -> Bool {
            pattern.hasSuffix("*") ? model.hasPrefix(pattern.dropLast()) : model == pattern
        }
    }

    /// Something that happens to so many of all connections, upgrades or requests.
    public struct Share: Sendable, Equatable {
        public var fault: Fault
        public var percent: Double

        public init(_ fault: Fault, percent: Double) {
            self.fault = fault
            self.percent = percent
        }
    }

    /// What a fault may depend on; empty where it is not known yet.
    struct Subject {
        var model = ""
        var user: String?
        var text = ""
    }

    public var rules: [Rule]
    /// For those that no rule has met. The shares of a stage are at most 100 together.
    public var mix: [Share]

    public init(rules: [Rule] = [], mix: [Share] = []) {
        self.rules = rules
        self.mix = mix
    }
}

/// Plays a scenario: the same seed and the same order of requests give the same faults.
struct ScenarioPlayer: Sendable {
    private let scenario: Scenario
    private var generator: SeededGenerator
    /// How often each rule was fitted, for each stage that it is asked at.
    private var counts: [Fault.Stage: [Int]]

    init(_ scenario: Scenario, seed: UInt64) {
        self.scenario = scenario
        generator = SeededGenerator(seed: seed)
        counts = Dictionary(
            uniqueKeysWithValues: Fault.Stage.allCases.map { ($0, scenario.rules.map { _ in 0 }) })
    }

    mutating func fault(at stage: Fault.Stage, for subject: Scenario.Subject) -> Fault? {
        for (index, rule) in scenario.rules.enumerated() where rule.isAsked(at: stage) && rule.fits(subject) {
            let ordinal = (counts[stage]?[index] ?? 0) + 1
            counts[stage]?[index] = ordinal
            guard rule.requests?.contains(ordinal) ?? true else { continue }
            if rule.percent >= 100 || Double.random(in: 0..<100, using: &generator) < rule.percent { return rule.fault }
        }
        let shares = scenario.mix.filter { $0.fault.stage == stage }
        guard !shares.isEmpty else { return nil }
        var point = Double.random(in: 0..<100, using: &generator)
        for share in shares {
            if point < share.percent { return share.fault }
            point -= share.percent
        }
        return nil
    }
}
