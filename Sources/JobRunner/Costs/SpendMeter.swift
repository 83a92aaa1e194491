public import ChatModel
internal import Synchronization

/// Tokens and money by gateway and model since the worker began, for metrics. Jobs name models, so the ones that were used last
/// are known by name, and what the others cost is one sum. Any thread.
final class SpendMeter: Sendable {
    private struct State {
        var models: [SpendTotals.Model: (totals: SpendTotals, turn: Int)] = [:]
        var others = SpendTotals(model: .others)
        var turn = 0
    }

    /// Models that are known by name.
    static let mostModels = 256
    private let state = Mutex(State())

    func add(_ charge: Charge) {
        let model = SpendTotals.Model(gateway: charge.gateway, name: charge.model)
        state.withLock { state in
            state.turn &+= 1
            if state.models[model] == nil, state.models.count >= Self.mostModels,
                let oldest = state.models.min(by: { $0.value.turn < $1.value.turn })
            {
                state.models[oldest.key] = nil
                state.others.add(oldest.value.totals)
            }
            var totals = state.models[model]?.totals ?? SpendTotals(model: model)
            totals.add(charge)
            state.models[model] = (totals, state.turn)
        }
    }

    /// By gateway and name; last the sum of those that are not known by name any more, if there are any.
    var all: [SpendTotals] { shown(most: .max) }

    /// Those with most attempts, by gateway and name; last the sum of all others, if there are any.
    func shown(most: Int) -> [SpendTotals] {
        let (models, known) = state.withLock { ($0.models.values.map(\.totals), $0.others) }
        let busiest = models.sorted {
            ($1.attempts, $0.model.gateway, $0.model.name) < ($0.attempts, $1.model.gateway, $1.model.name)
        }
        var others = known
        for totals in busiest.dropFirst(most) { others.add(totals) }
        let shown = busiest.prefix(most)
            .sorted { ($0.model.gateway, $0.model.name) < ($1.model.gateway, $1.model.name) }
        return shown + (others.attempts > 0 ? [others] : [])
    }
}

/// What was used of one model.
public struct SpendTotals: Sendable, Equatable {
    public struct Model: Sendable, Hashable {
        public var gateway: String
        public var name: String

        /// Whatever is not known by name.
        static let others = Model(gateway: NamedCounts.other, name: NamedCounts.other)
    }

    public var model: Model
    public var attempts = 0
    /// Attempts whose text was thrown away, or whose worker died.
    public var wastedAttempts = 0
    public var promptTokens = 0
    public var completionTokens = 0
    /// Of the prompts' tokens, those that providers found in their caches.
    public var cachedTokens = 0
    /// Of the prompts' tokens, those that providers wrote to their caches.
    public var cacheWriteTokens = 0
    /// Tokens of both kinds that the worker estimated.
    public var estimatedTokens = 0
    /// Tokens of both kinds of wasted attempts.
    public var wastedTokens = 0
    public var cost = Money.zero

    init(model: Model) { self.model = model }

    mutating func add(_ charge: Charge) {
        let usage = charge.usage
        attempts &+= 1
        promptTokens &+= usage.promptTokens
        completionTokens &+= usage.completionTokens
        cachedTokens &+= usage.cachedTokens
        cacheWriteTokens &+= usage.cacheWriteTokens
        if usage.isEstimated { estimatedTokens &+= usage.totalTokens }
        if charge.outcome == .discarded || charge.outcome == .killed {
            wastedAttempts &+= 1
            wastedTokens &+= usage.totalTokens
        }
        cost = cost + (charge.cost ?? .zero)
    }

    mutating func add(_ other: SpendTotals) {
        attempts &+= other.attempts
        wastedAttempts &+= other.wastedAttempts
        promptTokens &+= other.promptTokens
        completionTokens &+= other.completionTokens
        cachedTokens &+= other.cachedTokens
        cacheWriteTokens &+= other.cacheWriteTokens
        estimatedTokens &+= other.estimatedTokens
        wastedTokens &+= other.wastedTokens
        cost = cost + other.cost
    }
}
