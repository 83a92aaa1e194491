internal import Synchronization

/// Counts what is under way, so that a shutdown can refuse more and wait for the end of it.
final class ActivityGate: Sendable {
    private struct State {
        var isClosed = false
        var active = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    /// `false` after `close()`; otherwise `leave()` has to follow.
    func enter() -> Bool {
        self.state.withLock { state in
            guard !state.isClosed else { return false }
            state.active += 1
            return true
        }
    }

    func leave() {
        let waiting = self.state.withLock { state in
            state.active -= 1
            guard state.isClosed, state.active == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// - Returns: whether this is the first call.
    func close() -> Bool {
        self.state.withLock { state in
            defer { state.isClosed = true }
            return !state.isClosed
        }
    }

    /// After `close()`: returns when nothing is under way any more.
    func drained() async {
        await withCheckedContinuation { continuation in
            let isEmpty = self.state.withLock { state in
                if state.active > 0 { state.waiting.append(continuation) }
                return state.active == 0
            }
            if isEmpty { continuation.resume() }
        }
    }
}
