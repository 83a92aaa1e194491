import Synchronization

/// When a connection's thread last went round its loop, for whoever must notice that it is stuck. While it is
/// connected it goes round at least every `ConnectionPoller.tick`; while it connects, or waits to do so, it is bounded
/// by timeouts of its own and counts as well.
final class ThreadPulse: Sendable {
    /// Monotonic nanoseconds; 0 at rest.
    private let last = Atomic<UInt64>(0)

    /// By the thread, on every turn. One atomic store.
    func beat(now: UInt64) { last.store(max(1, now), ordering: .relaxed) }

    /// By the thread, where it leaves its loop.
    func rest() { last.store(0, ordering: .relaxed) }

    /// From any thread.
    func isStuck(longerThan limit: Duration, now: UInt64 = Monotonic.now()) -> Bool {
        let last = last.load(ordering: .relaxed)
        return last != 0 && now > last && now - last > limit.clampedNanoseconds
    }
}
