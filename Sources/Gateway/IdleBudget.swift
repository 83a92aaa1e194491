import Synchronization

/// How many idle connections each model may still keep, over all event loops, and all of them together: jobs name models, and
/// each name has connections of its own. Touched once for each stream.
final class IdleBudget: Sendable {
    private let maximum: Int
    private let maximumOfAll: Int
    private let used = Mutex<(byModel: [String: Int], all: Int)>(([:], 0))

    /// Models that can have as many as they may at once.
    static let models = 32

    init(maximum: Int) {
        self.maximum = maximum
        maximumOfAll = maximum.multipliedReportingOverflow(by: Self.models).overflow ? .max : maximum * Self.models
    }

    /// `false`: enough of them are idle already.
    func take(_ model: String) -> Bool {
        used.withLock { used in
            let count = used.byModel[model, default: 0]
            guard count < maximum, used.all < maximumOfAll else { return false }
            used.byModel[model] = count + 1
            used.all += 1
            return true
        }
    }

    func give(_ model: String) {
        used.withLock { used in
            guard let count = used.byModel[model] else { return }
            used.byModel[model] = count > 1 ? count - 1 : nil
            used.all -= 1
        }
    }
}
