import Synchronization

/// How many idle connections each model may still keep, over all event loops. Touched once for each stream.
final class IdleBudget: Sendable {
    private let maximum: Int
    private let used = Mutex<[String: Int]>([:])

    init(maximum: Int) {
        self.maximum = maximum
    }

    /// `false`: enough of them are idle already.
    func take(_ model: String) -> Bool {
        used.withLock { used in
            let count = used[model, default: 0]
            guard count < maximum else { return false }
            used[model] = count + 1
            return true
        }
    }

    func give(_ model: String) {
        used.withLock { used in
            let count = used[model, default: 0] - 1
            used[model] = count > 0 ? count : nil
        }
    }
}
