/// Who was asked for a sign of life and owes it. Pure: the time is passed in, asking and answering are others' work.
struct Heartbeats {
    /// Since when each one owes an answer; `nil` where it owes none.
    private var askedAt: [ContinuousClock.Instant?]
    private let limit: Duration

    /// - Parameter limit: an answer that is owed for so long is missing.
    init(count: Int, limit: Duration) {
        askedAt = Array(repeating: nil, count: count)
        self.limit = limit
    }

    /// Who is to be asked now: whoever owes no answer. The others keep the time of their first question.
    mutating func ask(at now: ContinuousClock.Instant) -> [Int] {
        askedAt.indices.filter { index in
            guard askedAt[index] == nil else { return false }
            askedAt[index] = now
            return true
        }
    }

    mutating func answered(_ index: Int) {
        guard askedAt.indices.contains(index) else { return }
        askedAt[index] = nil
    }

    /// Who has been silent for the limit or longer.
    func silent(at now: ContinuousClock.Instant) -> [Int] {
        askedAt.indices.filter { index in askedAt[index].map { now - $0 >= limit } ?? false }
    }
}
