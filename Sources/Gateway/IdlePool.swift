import NIOCore

/// The idle connections of one event loop, by model: which to use again, and which to close.
///
/// Pure: the time comes with each call, connections are only names here. The most recently used is taken first, so that
/// a quiet hour lets the others go.
struct IdlePool<Connection> {
    private struct Entry {
        var connection: Connection
        var openedAt: NIODeadline
        var closesAt: NIODeadline
    }

    private var idle: [String: [Entry]] = [:]
    private let keepIdle: TimeAmount
    private let maximumAge: TimeAmount

    init(keepIdle: TimeAmount, maximumAge: TimeAmount) {
        self.keepIdle = keepIdle
        self.maximumAge = maximumAge
    }

    /// When `expire(now:)` has something to do.
    var nextDeadline: NIODeadline? { idle.values.lazy.flatMap { $0 }.map(\.closesAt).min() }

    var count: Int { idle.values.reduce(0) { $0 + $1.count } }

    /// Takes a connection after a clean end. `false`: it is too old, close it.
    mutating func put(_ connection: Connection, model: String, openedAt: NIODeadline, now: NIODeadline) -> Bool {
        let oldAt = openedAt + maximumAge
        guard now < oldAt else { return false }
        let entry = Entry(connection: connection, openedAt: openedAt, closesAt: min(now + keepIdle, oldAt))
        idle[model, default: []].append(entry)
        return true
    }

    /// A connection for a request, not one whose time is over.
    mutating func take(model: String, now: NIODeadline) -> Connection? {
        guard var entries = idle[model] else { return nil }
        defer { idle[model] = entries.isEmpty ? nil : entries }
        guard let index = entries.lastIndex(where: { $0.closesAt > now }) else { return nil }
        return entries.remove(at: index).connection
    }

    /// Forgets a connection that closed by itself. `false`: it was not here.
    mutating func remove(model: String, where matches: (Connection) -> Bool) -> Bool {
        guard var entries = idle[model], let index = entries.firstIndex(where: { matches($0.connection) })
        else { return false }
        entries.remove(at: index)
        idle[model] = entries.isEmpty ? nil : entries
        return true
    }

    /// The connections whose time is over; they are not here any more.
    mutating func expire(now: NIODeadline) -> [Connection] {
        var expired: [Connection] = []
        for (model, entries) in idle {
            let kept = entries.filter { $0.closesAt > now }
            guard kept.count < entries.count else { continue }
            expired += entries.filter { $0.closesAt <= now }.map(\.connection)
            idle[model] = kept.isEmpty ? nil : kept
        }
        return expired
    }

    mutating func removeAll() -> [Connection] {
        defer { idle = [:] }
        return idle.values.flatMap { $0.map(\.connection) }
    }
}
