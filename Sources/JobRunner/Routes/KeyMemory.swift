/// When each of many keys was spoken of last, so that what is remembered of it can be let go: jobs name the keys, and there may be
/// any number of them. Pure; the time (monotonic nanoseconds) is passed in.
struct KeyMemory<Key: Hashable & Sendable>: Sendable {
    private let most: Int
    private let age: UInt64
    private var touched: [Key: UInt64] = [:]
    private var nextLook: UInt64 = 0

    /// - Parameters:
    ///   - most: so many are kept, of which the oldest go first.
    ///   - age: nanoseconds after which a key goes that nothing holds.
    init(most: Int, age: UInt64) {
        self.most = most
        self.age = age
    }

    var count: Int { touched.count }

    mutating func touch(_ key: Key, now: UInt64) { touched[key] = now }

    mutating func forget(_ key: Key) { touched[key] = nil }

    /// The keys that are to be forgotten now; they are not here any more. Looks through all of them once in an eighth of their
    /// age, or when there are too many.
    ///
    /// - Parameter isHeld: what is remembered of the key still means something. It goes all the same where there are too many.
    mutating func stale(now: UInt64, isHeld: (Key) -> Bool) -> [Key] {
        guard touched.count > most || now >= nextLook else { return [] }
        nextLook = now &+ age / 8
        var gone = touched.filter { now &- $0.value > age && !isHeld($0.key) }.map(\.key)
        for key in gone { touched[key] = nil }
        if touched.count > most {
            // Some more than needed, so that this is not done for each new one.
            let excess = touched.sorted { $0.value < $1.value }.prefix(touched.count - most + most / 4).map(\.key)
            for key in excess { touched[key] = nil }
            gone += excess
        }
        return gone
    }
}
