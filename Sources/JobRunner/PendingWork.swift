internal import Synchronization

/// Counts work under way, so that a stop can wait for its end. Any thread.
final class PendingWork: Sendable {
    private struct State {
        var count = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    var count: Int { state.withLock { $0.count } }

    func enter() { state.withLock { $0.count += 1 } }

    func leave() {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.count -= 1
            guard state.count == 0 else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Returns when nothing is under way, or at `deadline`.
    func finished(before deadline: ContinuousClock.Instant) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.finished() }
            group.addTask { try? await Task.sleep(until: deadline, clock: .continuous) }
            await group.next()
            group.cancelAll()
            // The waiter is let go too: a group ends only with all its tasks.
            self.releaseWaiters()
        }
    }

    private func finished() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                // Cancelled, nobody would resume it any more.
                let isOver = state.count == 0 || Task.isCancelled
                if !isOver { state.waiters.append(continuation) }
                return isOver
            }
            if isIdle { continuation.resume() }
        }
    }

    private func releaseWaiters() {
        let waiters = state.withLock { state in
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
