import NIOCore

/// How many connections to open ahead of their jobs, and when to leave a gateway alone that does not want them. Pure; by
/// the names under which idle connections are kept.
struct PoolFiller {
    private struct Line {
        var opening = 0
        /// In a row, of openings that failed and of connections that died before their time.
        var failures = 0
        var notBefore: NIODeadline = .distantPast
    }

    /// The wait after the first failure; it doubles up to the longest.
    static let firstWait = TimeAmount.seconds(1)
    static let longestWait = TimeAmount.seconds(60)
    /// One that has lived so long did not fail.
    static let goodLife = TimeAmount.seconds(10)

    let minimum: Int
    private var lines: [String: Line] = [:]

    init(minimum: Int) { self.minimum = minimum }

    /// - Parameter idle: those that are ready.
    func missing(_ key: String, idle: Int, now: NIODeadline) -> Int {
        guard let line = lines[key] else { return max(0, minimum - idle) }
        return line.notBefore > now ? 0 : max(0, minimum - idle - line.opening)
    }

    /// When a line is to be looked at again.
    func nextDeadline(now: NIODeadline) -> NIODeadline? { lines.values.map(\.notBefore).filter { $0 > now }.min() }

    /// Under way, of all names.
    var openings: Int { lines.values.reduce(0) { $0 + $1.opening } }

    mutating func began(_ key: String) { lines[key, default: Line()].opening += 1 }

    mutating func opened(_ key: String) { lines[key]?.opening -= 1 }

    mutating func failed(_ key: String, now: NIODeadline) {
        lines[key]?.opening -= 1
        postpone(key, now: now)
    }

    /// An idle connection was closed by the gateway.
    mutating func died(_ key: String, openedAt: NIODeadline, now: NIODeadline) {
        if now - openedAt < Self.goodLife { postpone(key, now: now) } else { lines[key]?.failures = 0 }
    }

    /// A job has taken one.
    mutating func used(_ key: String) { lines[key]?.failures = 0 }

    /// Names that are remembered before those are forgotten of which there is nothing to say: jobs choose them.
    static let mostLines = 256
    var lineCount: Int { lines.count }

    private mutating func postpone(_ key: String, now: NIODeadline) {
        if lines[key] == nil, lines.count >= Self.mostLines {
            lines = lines.filter { $0.value.opening > 0 || $0.value.notBefore > now }
            // What is opened ahead is chosen by the configuration; any other name waits for a job in any case.
            guard lines.count < Self.mostLines else { return }
        }
        var line = lines[key] ?? Line()
        let wait = Self.firstWait * (1 << Int64(min(line.failures, 16)))
        line.failures += 1
        line.notBefore = now + min(wait, Self.longestWait)
        lines[key] = line
    }
}
