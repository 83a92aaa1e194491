/// One of a gateway's API keys.
public struct GatewayKey: Sendable, Equatable, CustomStringConvertible {
    /// Where it comes from: the file, or the variable. For logs and people.
    public var source: String
    /// Sent in `GatewayConfiguration.keyHeader`; empty: nothing is. Never logged, never part of an error.
    public var secret: String

    public init(source: String, secret: String) {
        self.source = source
        self.secret = secret
    }

    public var description: String { source }
}

/// Which key the next request has: they take turns, but for those that the gateway has refused. Pure.
struct KeyRing {
    enum Refusal: Equatable {
        case setAside
        /// No other is left. It stays in use: a gateway that refuses one model, or for a moment, need not refuse all.
        case last
        /// It was told before.
        case known
    }

    private(set) var usable: [Int]
    private var turn = 0
    private var toldLast = false

    init(count: Int) { usable = Array(0..<max(1, count)) }

    /// Those of a new configuration; what was refused before may be tried again.
    mutating func replace(with keys: [Int]) {
        usable = keys
        turn = 0
        toldLast = false
    }

    /// - Parameter tried: those that this request has tried in vain.
    mutating func next(besides tried: [Int] = []) -> Int? {
        for _ in usable.indices {
            let key = usable[turn % usable.count]
            turn = (turn + 1) % usable.count
            if !tried.contains(key) { return key }
        }
        return nil
    }

    mutating func refused(_ key: Int) -> Refusal {
        guard let index = usable.firstIndex(of: key) else { return .known }
        guard usable.count > 1 else {
            defer { toldLast = true }
            return toldLast ? .known : .last
        }
        usable.remove(at: index)
        return .setAside
    }
}
