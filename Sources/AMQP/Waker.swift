import CRabbitMQ
import Glibc
import Synchronization

/// Wakes one thread out of `poll`, from any thread. The eventfd is written only where that thread sleeps (or is about
/// to), so that a wake costs one atomic exchange while it is busy.
final class Waker: Sendable {
    private enum State {
        static let running: UInt8 = 0
        static let sleeping: UInt8 = 1
        static let notified: UInt8 = 2
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

    /// From any thread.
    func wake() {
        guard state.exchange(State.notified, ordering: .acquiringAndReleasing) == State.sleeping else { return }
        var one: UInt64 = 1
        _ = Glibc.write(fileDescriptor, &one, MemoryLayout<UInt64>.size)
    }

    /// Owner, before `poll`: false where a wake has come since `awake()`; then it must not sleep.
    func prepareToSleep() -> Bool {
        state.compareExchange(
            expected: State.running, desired: State.sleeping, ordering: .acquiringAndReleasing
        ).exchanged
    }

    /// Owner, after `poll` or instead of it. True where a wake has come since the last call.
    func awake() -> Bool {
        guard state.exchange(State.running, ordering: .acquiringAndReleasing) == State.notified else { return false }
        var count: UInt64 = 0
        _ = Glibc.read(fileDescriptor, &count, MemoryLayout<UInt64>.size)
        return true
    }
}
