internal import ChatModel

/// Which attempts were accounted for, so that none counts twice: those of the last day and of the one before. An event comes
/// twice where it was published again after a lost connection, or where two workers speak of the same attempt; both are
/// matters of minutes.
struct RecentAttempts: Sendable {
    private var day: Int64 = .min
    private var current: Set<Int> = []
    private var previous: Set<Int> = []

    /// `false` where it was there already.
    mutating func insert(_ key: JobKey, _ attempt: Int64, day: Int64) -> Bool {
        if day > self.day {
            previous = self.day == day - 1 ? current : []
            current = []
            self.day = day
        }
        guard !contains(key, attempt) else { return false }
        current.insert(Self.hash(key, attempt))
        return true
    }

    func contains(_ key: JobKey, _ attempt: Int64) -> Bool {
        let hash = Self.hash(key, attempt)
        return current.contains(hash) || previous.contains(hash)
    }

    private static func hash(_ key: JobKey, _ attempt: Int64) -> Int {
        var hasher = Hasher()
        hasher.combine(key)
        hasher.combine(attempt)
        return hasher.finalize()
    }
}
