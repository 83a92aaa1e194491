/// How long to wait before which node is tried next: capped doubling with full jitter, addresses round robin. Pure;
/// the caller brings time and randomness.
struct ReconnectBackoff: Sendable {
    private let first: Duration
    private let most: Duration
    private let addressCount: Int
    private var failures = 0
    private var next = 0

    init(first: Duration, most: Duration, addressCount: Int) {
        self.first = max(first, .milliseconds(1))
        self.most = max(most, self.first)
        self.addressCount = max(addressCount, 1)
    }

    /// Index of the address to try now; the following call gives the next one.
    mutating func takeAddress() -> Int {
        defer { next = (next + 1) % addressCount }
        return next
    }

    /// The wait after a failed attempt or a lost connection. `random` is in 0..<1.
    mutating func wait(random: Double) -> Duration {
        // 2^20 times any first wait is over every sensible cap, and does not overflow.
        let bound = min(most, first * (1 << min(failures, 20)))
        failures += 1
        return bound * min(max(random, 0), 1)
    }

    /// The broker closed the connection over a message: it is there, and need not be spared.
    mutating func answered() { failures = 0 }

    /// A connection ended that had been open for `lifetime`. Only one that lasted longer than the longest wait starts
    /// the waits anew: a broker that accepts and then closes every connection must not be hammered.
    mutating func closed(after lifetime: Duration) {
        if lifetime > most { failures = 0 }
    }
}
