import Synchronization

/// What other threads ask of a consumer connection's thread.
final class ConsumerMailbox: Sendable {
    enum Stopping: Sendable { case no, requested, done }

    struct State: Sendable {
        var settlements: [Settlement] = []
        var stopping = Stopping.no
        var stopWaiters: [CheckedContinuation<Void, Never>] = []
        var mustClose = false
        var mustReread = false
        var brokerVersion: BrokerVersion?
    }

    let ownership = LoopOwnership()
    let pulse = ThreadPulse()
    /// Bytes of `HeldBodies`, and its messages that wait for room. Written by the thread alone.
    let heldBytes = Atomic<UInt64>(0)
    let withoutRoom = Atomic<Int>(0)
    private let state = Mutex(State())

    func settle(_ settlement: Settlement) {
        let isFirst = state.withLock { state in
            state.settlements.append(settlement)
            return state.settlements.count == 1
        }
        if isFirst { ownership.wake() }
    }

    func requestClose() {
        state.withLock { $0.mustClose = true }
        ownership.wake()
    }

    func requestReread() {
        state.withLock { $0.mustReread = true }
        ownership.wake()
    }

    func stopConsuming() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.stopping == .done { return true }
                state.stopping = .requested
                state.stopWaiters.append(continuation)
                return false
            }
            if isDone { continuation.resume() } else { ownership.wake() }
        }
    }

    var brokerVersion: BrokerVersion? { state.withLock { $0.brokerVersion } }

    // MARK: For the thread

    func connected(to version: BrokerVersion?) { state.withLock { $0.brokerVersion = version } }

    var mustClose: Bool { state.withLock { $0.mustClose } }
    var stopping: Stopping { state.withLock { $0.stopping } }

    func takeReread() -> Bool {
        state.withLock { state in
            defer { state.mustReread = false }
            return state.mustReread
        }
    }

    /// Swaps the settlements out; `spare` gives its storage back for the next ones.
    func takeSettlements(into spare: inout [Settlement]) {
        spare.removeAll(keepingCapacity: true)
        state.withLock { swap(&$0.settlements, &spare) }
    }

    /// Every consumer has ended, or the connection is gone: whoever waits for that goes on.
    func stopped() {
        let waiters = state.withLock { state in
            state.stopping = .done
            defer { state.stopWaiters = [] }
            return state.stopWaiters
        }
        for waiter in waiters { waiter.resume() }
    }
}
