import Synchronization

/// What other threads ask of a publish connection's thread.
final class PublisherMailbox: Sendable {
    let ownership = LoopOwnership()
    let pulse = ThreadPulse()
    /// Of the connection, while its thread runs; for who has `ownership`.
    nonisolated(unsafe) var loop: PublisherLoop?
    /// Monotonic nanoseconds until which to wait for confirms; 0 while nobody asked to close.
    private let deadline = Atomic<UInt64>(0)

    func requestClose(deadline: Duration) {
        let instant = max(1, Monotonic.now() &+ deadline.clampedNanoseconds)
        // A later call may only shorten the wait.
        var current = self.deadline.load(ordering: .acquiring)
        while current == 0 || instant < current {
            let (exchanged, original) = self.deadline.compareExchange(
                expected: current, desired: instant, ordering: .acquiringAndReleasing)
            if exchanged { break }
            current = original
        }
        ownership.wake()
    }

    /// `nil` while nobody asked to close.
    var closeDeadline: UInt64? {
        let instant = deadline.load(ordering: .acquiring)
        return instant == 0 ? nil : instant
    }
}
