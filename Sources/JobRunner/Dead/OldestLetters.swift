/// The oldest of the dead letters that are seen, in an order that is the same each time: the broker gives back in no
/// order what it had given out. Keeps no more than twice of what is wanted.
package struct OldestLetters: Sendable {
    private let limit: Int
    private var kept: [DeadLetter] = []
    /// All that were seen.
    package private(set) var count = 0

    package init(limit: Int) { self.limit = max(1, limit) }

    package mutating func add(_ letter: DeadLetter) {
        count += 1
        kept.append(letter)
        // No multiplication: the limit comes from outside.
        if kept.count - limit >= limit { kept = letters }
    }

    /// Those without a time come first: nobody knows how old they are.
    package var letters: [DeadLetter] { Array(kept.sorted(by: Self.isOlder).prefix(limit)) }

    private static func isOlder(_ left: DeadLetter, _ right: DeadLetter) -> Bool {
        let (first, second) = (left.deadAt?.milliseconds ?? .min, right.deadAt?.milliseconds ?? .min)
        guard first == second else { return first < second }
        return (left.id ?? "", left.customer ?? "", left.messageID ?? "", left.size)
            < (right.id ?? "", right.customer ?? "", right.messageID ?? "", right.size)
    }
}
