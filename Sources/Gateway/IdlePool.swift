import NIOCore

/// The idle connections of one event loop, by name: which to use again, which to close, and which to ask for a sign of life.
///
/// Pure: the time comes with each call, connections are only names here. The most recently used is taken first, so that
/// a quiet hour lets the others go, down to the minimum.
struct IdlePool<Connection> {
    private enum Check {
        case none
        case pingAt(NIODeadline)
        case pongBy(NIODeadline)
    }

    private struct Entry {
        var connection: Connection
        var idleUntil: NIODeadline
        var oldAt: NIODeadline
        var check: Check

        func isSilent(_ now: NIODeadline) -> Bool { if case .pongBy(let time) = check { time <= now } else { false } }
        var awaitsPong: Bool { if case .pongBy = check { true } else { false } }
        var checkAt: NIODeadline {
            switch check {
            case .none: .distantFuture
            case .pingAt(let time), .pongBy(let time): time
            }
        }
    }

    private var idle: [String: [Entry]] = [:]
    private let keepIdle: TimeAmount
    private let maximumAge: TimeAmount
    /// So many of each name are kept until they are old.
    private let minimum: Int
    /// `nil`: nothing is asked.
    private let ping: (after: TimeAmount, patience: TimeAmount)?

    init(
        keepIdle: TimeAmount, maximumAge: TimeAmount, minimum: Int = 0,
        ping: (after: TimeAmount, patience: TimeAmount)? = nil
    ) {
        self.keepIdle = keepIdle
        self.maximumAge = maximumAge
        self.minimum = minimum
        self.ping = ping
    }

    /// When `silent`, `expire` or `pings` has something to do.
    var nextDeadline: NIODeadline? {
        idle.values.lazy.flatMap { entries in
            entries.indices.lazy.map { min(closesAt($0, entries), entries[$0].checkAt) }
        }.min()
    }

    var count: Int { idle.values.reduce(0) { $0 + $1.count } }

    func count(of name: String) -> Int { idle[name]?.count ?? 0 }

    /// Takes a connection after a clean end. `false`: it is too old, close it.
    mutating func put(_ connection: Connection, model: String, openedAt: NIODeadline, now: NIODeadline) -> Bool {
        let oldAt = openedAt + maximumAge
        guard now < oldAt else { return false }
        let check: Check = ping.map { .pingAt(now + $0.after) } ?? .none
        idle[model, default: []].append(
            Entry(connection: connection, idleUntil: now + keepIdle, oldAt: oldAt, check: check))
        return true
    }

    /// A connection for a request, not one whose time is over; one that owes a pong only where there is no other.
    mutating func take(model: String, now: NIODeadline) -> Connection? {
        guard var entries = idle[model] else { return nil }
        defer { idle[model] = entries.isEmpty ? nil : entries }
        let good = entries.indices.filter { closesAt($0, entries) > now && !entries[$0].isSilent(now) }
        guard let index = good.last(where: { !entries[$0].awaitsPong }) ?? good.last else { return nil }
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
        let pool = self
        return takeOut { pool.closesAt($0, $1) <= now }
    }

    /// The connections that owe a pong for too long; they are not here any more.
    mutating func silent(now: NIODeadline) -> [Connection] {
        takeOut { $1[$0].isSilent(now) }
    }

    /// The connections that are to be pinged now.
    mutating func pings(now: NIODeadline) -> [Connection] {
        guard let ping else { return [] }
        var due: [Connection] = []
        for name in Array(idle.keys) {
            for index in idle[name]?.indices ?? 0..<0 {
                guard case .pingAt(let time)? = idle[name]?[index].check, time <= now else { continue }
                idle[name]?[index].check = .pongBy(now + ping.patience)
                if let connection = idle[name]?[index].connection { due.append(connection) }
            }
        }
        return due
    }

    /// A pong came.
    mutating func ponged(model: String, now: NIODeadline, where matches: (Connection) -> Bool) {
        guard let ping, let index = idle[model]?.firstIndex(where: { matches($0.connection) }) else { return }
        idle[model]?[index].check = .pingAt(now + ping.after)
    }

    mutating func removeAll() -> [Connection] {
        defer { idle = [:] }
        return idle.values.flatMap { $0.map(\.connection) }
    }

    /// Those that were used last are the ones that stay.
    private func closesAt(_ index: Int, _ entries: [Entry]) -> NIODeadline {
        let entry = entries[index]
        return index >= entries.count - minimum ? entry.oldAt : min(entry.idleUntil, entry.oldAt)
    }

    private mutating func takeOut(_ isOut: (Int, [Entry]) -> Bool) -> [Connection] {
        var out: [Connection] = []
        for (name, entries) in idle {
            let gone = entries.indices.filter { isOut($0, entries) }
            let kept = entries.indices.filter { !isOut($0, entries) }
            guard !gone.isEmpty else { continue }
            out += gone.map { entries[$0].connection }
            idle[name] = kept.isEmpty ? nil : kept.map { entries[$0] }
        }
        return out
    }
}
