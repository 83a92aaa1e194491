import CRabbitMQ
import Glibc
import Synchronization

/// Who may touch a connection's loop: its own thread, or, while that sleeps, somebody who borrows it to publish at once
/// instead of waking a thread. Also what wakes that thread, from any other.
///
/// The thread has it except between `rest` and `take`. The eventfd is written only where the thread sleeps (or is about
/// to), so that a wake costs one atomic operation while it is busy.
final class LoopOwnership: Sendable {
    /// How the thread sleeps.
    enum Rest: UInt8 {
        /// Only the thread may touch the loop.
        case own = 1
        /// Others may borrow it.
        case lendable = 2
        /// Nothing can be published until the broker has said something: nobody need borrow it, nor wake the thread for that.
        case full = 3
    }

    /// What came of `borrow`.
    enum Borrowing {
        /// The loop is the caller's until `giveBack`.
        case lent
        /// The thread is awake or was woken, or somebody else has the loop: it will look for what is to be published.
        case woken
        /// The thread looks once it can publish again.
        case full
    }

    private enum State {
        static let running: UInt8 = 0
        /// 1 to 3 are `Rest`.
        static let sleeping = Rest.own.rawValue...Rest.full.rawValue
        /// Somebody woke the thread, which has not seen it yet.
        static let woken: UInt8 = 4
        static let lent: UInt8 = 5
        /// The thread is to be woken once the loop is given back.
        static let lentWoken: UInt8 = 6
        /// The thread waits for the loop to be given back.
        static let wanted: UInt8 = 7
    }

    /// To be polled for input by the owning thread. Negative where the process has no descriptor left.
    let fileDescriptor: Int32
    private let state = Atomic<UInt8>(State.running)

    init() {
        fileDescriptor = chat_worker_eventfd()
    }

    deinit {
        if fileDescriptor >= 0 { Glibc.close(fileDescriptor) }
    }

    func check() throws(AMQPError) {
        guard fileDescriptor >= 0 else {
            throw AMQPError(.configuration, "no file descriptor is left: raise the process's limit (ulimit -n)")
        }
    }

    // MARK: Any thread

    /// The thread goes round its loop once more, now or when it has it again.
    func wake() { _ = change { Self.wake($0) } }

    /// Asks for the loop, to publish. Never waits.
    func borrow() -> Borrowing {
        let before = change { state in
            switch state {
            case Rest.lendable.rawValue: (State.lent, false)
            case Rest.full.rawValue: (state, false)
            default: Self.wake(state)
            }
        }
        switch before {
        case Rest.lendable.rawValue: return .lent
        case Rest.full.rawValue: return .full
        default: return .woken
        }
    }

    /// By who borrowed it. What was done to the loop is visible to the next who has it.
    /// - Parameter wake: the thread has something to do with it.
    func giveBack(wake: Bool) {
        _ = change { state in
            switch state {
            case State.lent where !wake: (Rest.lendable.rawValue, false)
            default: (State.woken, true)
            }
        }
    }

    private static func wake(_ state: UInt8) -> (next: UInt8, signals: Bool) {
        switch state {
        case State.sleeping: (State.woken, true)
        case State.running: (State.woken, false)
        case State.lent: (State.lentWoken, false)
        default: (state, false)
        }
    }

    /// Returns the state before.
    private func change(_ transition: (UInt8) -> (next: UInt8, signals: Bool)) -> UInt8 {
        var current = state.load(ordering: .relaxed)
        while true {
            let (next, signals) = transition(current)
            // Also where nothing changes: whoever takes the loop later must see what was put down before.
            let (exchanged, original) = state.weakCompareExchange(
                expected: current, desired: next, ordering: .acquiringAndReleasing)
            if exchanged {
                if signals { signal() }
                return current
            }
            current = original
        }
    }

    private func signal() {
        var one: UInt64 = 1
        _ = Glibc.write(fileDescriptor, &one, MemoryLayout<UInt64>.size)
    }

    // MARK: The thread

    /// Before it sleeps. False where a wake has come since `take()`: then it must not sleep.
    func rest(_ rest: Rest) -> Bool {
        state.compareExchange(
            expected: State.running, desired: rest.rawValue, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// After it slept, or instead of it: the loop is the thread's again. Waits for who borrowed it, which takes
    /// microseconds. True where a wake has come since the last call.
    func take() -> Bool {
        let before = change { state in
            switch state {
            case State.lent, State.lentWoken: (State.wanted, false)
            default: (State.running, false)
            }
        }
        switch before {
        case State.running, State.sleeping: return false
        case State.woken: return true
        default:
            while state.load(ordering: .acquiring) == State.wanted { awaitSignal() }
            _ = state.exchange(State.running, ordering: .acquiringAndReleasing)
            return true
        }
    }

    /// Where `poll` says that the eventfd has something. A signal may come later than the wake that it belongs to, and is
    /// then for nothing, but it must not stay.
    func drain() {
        var count: UInt64 = 0
        _ = Glibc.read(fileDescriptor, &count, MemoryLayout<UInt64>.size)
    }

    private func awaitSignal() {
        var descriptor = pollfd(fd: fileDescriptor, events: Int16(POLLIN), revents: 0)
        if poll(&descriptor, 1, 1) > 0 { drain() }
    }
}
