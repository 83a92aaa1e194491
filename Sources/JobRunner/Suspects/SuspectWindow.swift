/// How many jobs may run at once that had begun in workers which died. Pure.
///
/// One at first; one more for each that passes, so twice as many with each group, and a thousand innocents need about ten
/// steps. When a worker dies, it is one again. Who was on trial there is tried first (`DeathRecord.order`), and alone if it was
/// one of few (`DeathRecord.mustBeAlone`).
struct SuspectWindow<ID: Hashable & Sendable>: Sendable {
    struct Start: Sendable, Equatable {
        var id: ID
        /// How many may run now, itself among them.
        var suspects: Int
    }

    private struct Entry: Sendable {
        var mustBeAlone: Bool
        var record: (rank: Int, lag: Int64)
        /// Of the order in which they came.
        var number: Int

        var order: (Int, Int64, Int) { (record.rank, record.lag, number) }
    }

    private(set) var size = 1
    private var waiting: [ID: Entry] = [:]
    /// Those that run, and the round in which each began.
    private var running: [ID: Int] = [:]
    private var lone: ID?
    /// Grows when the window falls back: who began before does not widen it.
    private var round = 0
    private var number = 0
    /// Workers whose death is known.
    private var dead: Set<String> = []

    mutating func enter(_ id: ID, _ record: DeathRecord) -> [Start] {
        if !record.workers.isSubset(of: dead) {
            if dead.count > 1_000 { dead = [] }
            dead.formUnion(record.workers)
            size = 1 + record.passed
            round += 1
        }
        number += 1
        waiting[id] = Entry(mustBeAlone: record.mustBeAlone, record: record.order, number: number)
        return next()
    }

    /// The cause was found of deaths that spoke against it, and against all: the window is as wide as if there had been none.
    mutating func reconsidered(_ id: ID, _ record: DeathRecord) -> [Start] {
        size = max(size, 1 + record.passed)
        if let number = waiting[id]?.number {
            waiting[id] = Entry(mustBeAlone: record.mustBeAlone, record: record.order, number: number)
        }
        return next()
    }

    /// - Parameter hasPassed: it has ended, and this worker lives.
    mutating func left(_ id: ID, hasPassed: Bool) -> [Start] {
        waiting[id] = nil
        if let began = running.removeValue(forKey: id) {
            if lone == id { lone = nil }
            if hasPassed, began == round { size += 1 }
        }
        return next()
    }

    private mutating func next() -> [Start] {
        var starts: [Start] = []
        while lone == nil, let start = nextStart() {
            waiting[start.id] = nil
            running[start.id] = round
            starts.append(start)
        }
        return starts
    }

    private mutating func nextStart() -> Start? {
        guard running.count < size, let first = waiting.min(by: { $0.value.order < $1.value.order }) else { return nil }
        guard first.value.mustBeAlone else { return Start(id: first.key, suspects: size) }
        guard running.isEmpty else { return nil }
        lone = first.key
        return Start(id: first.key, suspects: 1)
    }
}
