/// The waiting jobs of one customer and level behind one gate, in their order. Those that gave a place back stand
/// before those that never had one.
struct LaneQueue<ID> {
    struct Entry {
        var id: ID
        /// Lower is earlier; tells the order between lanes, too.
        var ticket: Int
    }

    private var returned = FIFO<Entry>()
    private var arrived = FIFO<Entry>()
    /// Tickets that were removed and still stand in one of the two, but never at its head.
    private var removed: Set<Int> = []

    var isEmpty: Bool { returned.isEmpty && arrived.isEmpty }
    var first: Entry? { returned.first ?? arrived.first }

    mutating func append(_ entry: Entry) { arrived.append(entry) }

    mutating func appendReturned(_ entry: Entry) { returned.append(entry) }

    mutating func popFirst() -> Entry? {
        let entry = returned.popFirst() ?? arrived.popFirst()
        trim()
        return entry
    }

    /// The entry with this ticket must be in the queue. It is only marked, and taken out when it comes to the head or
    /// when half of all are such.
    mutating func remove(ticket: Int) {
        removed.insert(ticket)
        trim()
        if removed.count >= 32, removed.count * 2 > returned.count + arrived.count {
            sweep(&returned)
            sweep(&arrived)
            removed.removeAll()
        }
    }

    private mutating func trim() {
        guard !removed.isEmpty else { return }
        while let entry = returned.first, removed.remove(entry.ticket) != nil { _ = returned.popFirst() }
        while let entry = arrived.first, removed.remove(entry.ticket) != nil { _ = arrived.popFirst() }
    }

    private func sweep(_ queue: inout FIFO<Entry>) {
        var kept = FIFO<Entry>()
        while let entry = queue.popFirst() {
            if !removed.contains(entry.ticket) { kept.append(entry) }
        }
        queue = kept
    }
}
