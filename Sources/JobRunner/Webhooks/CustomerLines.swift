/// Whose webhook is next where a customer's results are delivered one after another. Pure; times are milliseconds since
/// 1970. It knows what has come by since this worker took over the queue; what waits in the broker keeps its place.
struct CustomerLines {
    enum Turn: Equatable {
        case go
        /// Held here until the one before it is through.
        case hold
        /// Back to the broker for so many milliseconds; its place is kept.
        case away(Int64)
    }

    enum Action: Equatable {
        case go(String)
        case away(String, Int64)
    }

    private struct Entry {
        var id: String
        /// When it comes back; `nil` while it is here.
        var expected: Int64?
    }

    /// Tasks of one customer that may be held here.
    private let mostHeld: Int
    /// One that does not come back for so long after its time is gone: somebody has taken it out of its queue.
    private static let patience: Int64 = 120_000
    /// Until the next look where nobody knows when the one before is through.
    private static let glance: Int64 = 5_000
    /// Places of one customer that are remembered; whoever comes then goes back to the broker without one.
    private static let longestLine = 10_000
    private var lines: [String: [Entry]] = [:]
    private var sweepAt = 1_024

    var customers: Int { lines.count }

    init(mostHeld: Int = 100) { self.mostHeld = mostHeld }

    /// A task that is due has come out of the queue.
    mutating func arrive(_ id: String, of customer: String, now: Int64) -> Turn {
        sweep(now: now)
        var line = lines[customer] ?? []
        defer { lines[customer] = line }
        // Nobody waits for those that do not come back; what is at hand stays.
        line.removeAll { $0.id != id && Self.isLost($0, now: now) }
        let place = line.firstIndex { $0.id == id } ?? line.endIndex
        if place == line.endIndex {
            guard line.count < Self.longestLine else { return .away(Self.glance) }
            line.append(Entry(id: id))
        }
        line[place].expected = nil
        guard place > 0, let first = line.first else { return .go }
        if first.expected == nil, line.count(where: { $0.expected == nil }) <= mostHeld { return .hold }
        let wait = max(Self.glance, (first.expected ?? now) - now)
        line[place].expected = now + wait
        return .away(wait)
    }

    /// It goes to wait in the broker, for its next try or because its endpoint has no room.
    /// - Returns: what becomes of those that are held behind it.
    mutating func left(_ id: String, of customer: String, for wait: Int64, now: Int64) -> [Action] {
        guard var line = lines[customer], let place = line.firstIndex(where: { $0.id == id }) else { return [] }
        line[place].expected = now + wait
        var actions: [Action] = []
        for index in line.indices.dropFirst(place + 1) where line[index].expected == nil {
            let away = max(Self.glance, wait)
            line[index].expected = now + away
            actions.append(.away(line[index].id, away))
        }
        lines[customer] = line
        return actions
    }

    /// It is delivered, or given up.
    mutating func done(_ id: String, of customer: String) -> [Action] {
        guard var line = lines[customer] else { return [] }
        line.removeAll { $0.id == id }
        lines[customer] = line.isEmpty ? nil : line
        guard let first = line.first, first.expected == nil else { return [] }
        return [.go(first.id)]
    }

    private static func isLost(_ entry: Entry, now: Int64) -> Bool {
        entry.expected.map { now - $0 > patience } ?? false
    }

    /// Customers of whom nothing comes any more.
    private mutating func sweep(now: Int64) {
        guard lines.count >= sweepAt else { return }
        lines = lines.filter { !$0.value.allSatisfy { Self.isLost($0, now: now) } }
        sweepAt = max(1_024, lines.count * 2)
    }
}
