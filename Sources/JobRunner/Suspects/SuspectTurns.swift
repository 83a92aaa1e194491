/// Suspects that may be tried at the same time begin one after the other, each when the request of the one before has arrived.
/// So what kills its worker at once is the last that began there, and the first to be tried next. Pure.
struct SuspectTurns<ID: Hashable & Sendable>: Sendable {
    private var current: ID?
    private var waiting: [ID] = []

    /// Returns whether it may begin now; else it waits.
    mutating func take(_ id: ID) -> Bool {
        guard let current else {
            current = id
            return true
        }
        if current != id, !waiting.contains(id) { waiting.append(id) }
        return current == id
    }

    /// It does not wait any more.
    mutating func leave(_ id: ID) { waiting.removeAll { $0 == id } }

    /// It has begun, or will not. Returns whose turn is next; nothing happens if it was not its own.
    mutating func over(_ id: ID) -> ID? {
        guard current == id else { return nil }
        current = waiting.isEmpty ? nil : waiting.removeFirst()
        return current
    }
}
