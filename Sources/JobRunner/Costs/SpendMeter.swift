public import ChatModel
internal import Synchronization

/// Tokens and money by gateway and model since the worker began, for metrics. Any thread.
final class SpendMeter: Sendable {
    private let totals = Mutex<[SpendTotals.Model: SpendTotals]>([:])

    func add(_ charge: Charge) {
        let model = SpendTotals.Model(gateway: charge.gateway, name: charge.model)
        totals.withLock { $0[model, default: SpendTotals(model: model)].add(charge) }
    }

    /// By gateway and name.
    var all: [SpendTotals] {
        totals.withLock { Array($0.values) }
            .sorted { ($0.model.gateway, $0.model.name) < ($1.model.gateway, $1.model.name) }
    }
}

/// What was used of one model.
public struct SpendTotals: Sendable, Equatable {
    public struct Model: Sendable, Hashable {
        public var gateway: String
        public var name: String
    }

    public var model: Model
    public var attempts = 0
    /// Attempts whose text was thrown away, or whose worker died.
    public var wastedAttempts = 0
    public var promptTokens = 0
    public var completionTokens = 0
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
        if usage.isEstimated { estimatedTokens &+= usage.totalTokens }
        if charge.outcome == .discarded || charge.outcome == .killed {
            wastedAttempts &+= 1
            wastedTokens &+= usage.totalTokens
        }
        cost = cost + (charge.cost ?? .zero)
    }
}
