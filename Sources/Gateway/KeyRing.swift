import NIOCore

/// Which key the next request has: they take turns, but for those that rest after a refusal. Pure; the time is passed in.
///
/// - 401 concerns the key: it rests for all models. 403 concerns the key and the model that was asked.
/// - A rest ends with one request that tries the key again, in its turn. Another refusal makes the next rest twice as long; the
///   first chunk of an answer ends all doubt.
/// - If every key rests, the one whose rest ends first is asked all the same: a gateway that refuses for a moment need not refuse
///   the next request.
struct KeyRing {
    enum Cause: Equatable {
        /// 401.
        case unauthorized
        /// 403.
        case forbidden
    }

    enum Refusal: Equatable {
        /// It rests for so long.
        case setAside(TimeAmount)
        /// So does every other.
        case last
        /// It was told before.
        case known
    }

    private struct Rest {
        var until: NIODeadline
        /// How long it was.
        var length: TimeAmount
        /// A request that tries the key again is under way.
        var isTried = false
    }

    private struct Pair: Hashable {
        var key: Int
        var model: String
    }

    /// The first and the longest rest: a revoked key stays revoked, what a key may do is changed by people in a minute.
    static let restOfKey = (first: TimeAmount.minutes(1), longest: TimeAmount.hours(1))
    static let restOfPair = (first: TimeAmount.seconds(30), longest: TimeAmount.minutes(10))
    /// Models are named by jobs: so many pairs are remembered.
    static let mostPairs = 512

    private var keys: [Int]
    private var turn = 0
    private var rests: [Int: Rest] = [:]
    private var pairs: [Pair: Rest] = [:]
    private var toldLast = false

    init(count: Int) { keys = Array(0..<max(1, count)) }

    /// Pairs that are remembered.
    var pairCount: Int { pairs.count }

    /// Those of a new configuration; what was refused before may be tried again.
    mutating func replace(with keys: [Int]) {
        self = KeyRing(count: 0)
        self.keys = keys
    }

    /// Keys that nothing is held against.
    func good(for model: String) -> [Int] {
        keys.filter { rests[$0] == nil && pairs[Pair(key: $0, model: model)] == nil }
    }

    /// - Parameter tried: those that this request has tried in vain; after them only good ones come.
    mutating func next(for model: String, besides tried: [Int] = [], now: NIODeadline) -> Int? {
        for _ in keys.indices {
            let key = keys[turn % keys.count]
            turn = (turn + 1) % keys.count
            guard !tried.contains(key) else { continue }
            guard let until = restsUntil(key, model) else { return key }
            guard until <= now, tried.isEmpty else { continue }
            probe(key, model, now: now)
            return key
        }
        guard tried.isEmpty, let key = keys.min(by: { rank($0, model) < rank($1, model) }) else { return nil }
        probe(key, model, now: now)
        return key
    }

    /// The gateway refused a request because of its key.
    mutating func refused(_ key: Int, _ cause: Cause, model: String, now: NIODeadline) -> Refusal {
        guard keys.contains(key) else { return .known }
        let pair = Pair(key: key, model: model)
        let before = cause == .unauthorized ? rests[key] : pairs[pair]
        // Of requests that went out together the first refusal counts.
        if let before, before.until > now, !before.isTried { return .known }
        let bounds = cause == .unauthorized ? Self.restOfKey : Self.restOfPair
        let length = before.map { min($0.length + $0.length, bounds.longest) } ?? bounds.first
        let rest = Rest(until: now + length, length: length)
        switch cause {
        case .unauthorized: rests[key] = rest
        case .forbidden:
            if pairs[pair] == nil { makeRoom(now) }
            pairs[pair] = rest
        }
        guard good(for: model).isEmpty else { return .setAside(length) }
        defer { toldLast = true }
        return toldLast ? .known : .last
    }

    /// The gateway answers to the key.
    ///
    /// - Returns: whether it had been refused before.
    mutating func accepted(_ key: Int, model: String) -> Bool {
        guard !rests.isEmpty || !pairs.isEmpty else { return false }
        let had = [rests.removeValue(forKey: key), pairs.removeValue(forKey: Pair(key: key, model: model))]
        guard had.contains(where: { $0 != nil }) else { return false }
        toldLast = false
        return true
    }

    // MARK: -

    private func restsUntil(_ key: Int, _ model: String) -> NIODeadline? {
        [rests[key]?.until, pairs[Pair(key: key, model: model)]?.until].compactMap { $0 }.max()
    }

    /// Who is asked first of those that all rest: nobody's second try at once, then the one that may soon be asked in any case.
    private func rank(_ key: Int, _ model: String) -> (Int, NIODeadline) {
        let both = [rests[key], pairs[Pair(key: key, model: model)]].compactMap { $0 }
        return (both.contains { $0.isTried } ? 1 : 0, both.map(\.until).max() ?? .uptimeNanoseconds(0))
    }

    /// A request tries it again. Until that is answered nobody else does, unless it never is: for as long as its rest was.
    private mutating func probe(_ key: Int, _ model: String, now: NIODeadline) {
        func tried(_ rest: Rest) -> Rest {
            var rest = rest
            rest.until = max(rest.until, now + rest.length)
            rest.isTried = true
            return rest
        }
        let pair = Pair(key: key, model: model)
        rests[key] = rests[key].map(tried)
        pairs[pair] = pairs[pair].map(tried)
    }

    /// Rests that are over go first, then the one that ends first.
    private mutating func makeRoom(_ now: NIODeadline) {
        guard pairs.count >= Self.mostPairs else { return }
        pairs = pairs.filter { $0.value.until > now }
        guard pairs.count >= Self.mostPairs, let oldest = pairs.min(by: { $0.value.until < $1.value.until }) else {
            return
        }
        pairs[oldest.key] = nil
    }
}
