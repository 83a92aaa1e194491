import Glibc
import Synchronization

/// Breaks library calls that hang. librabbitmq has no deadline on sending: on a half-open link, or under a broker
/// alarm, a publish can block for ever. One thread of the process looks at every connection that is inside the
/// library and shuts its socket down when that has lasted too long; the call then returns with a socket error.
final class Watchdog: Sendable {
    static let shared = Watchdog()

    /// One connection under watch. `enter` and `leave` cost one atomic store each.
    final class Ticket: Sendable {
        /// A duplicate, so that it cannot name another socket after the library closed its own.
        fileprivate let fileDescriptor: Int32
        fileprivate let limit: UInt64
        /// When the library was entered (monotonic nanoseconds); 0 outside.
        private let since = Atomic<UInt64>(0)

        fileprivate init(fileDescriptor: Int32, limit: UInt64) {
            self.fileDescriptor = fileDescriptor
            self.limit = limit
        }

        deinit { Glibc.close(fileDescriptor) }

        func enter(now: UInt64) { since.store(now, ordering: .relaxed) }
        func leave() { since.store(0, ordering: .relaxed) }

        fileprivate func breakIfHanging(now: UInt64) {
            let since = since.load(ordering: .relaxed)
            if since != 0, now > since, now - since > limit { Glibc.shutdown(fileDescriptor, Int32(SHUT_RDWR)) }
        }
    }

    private struct State {
        var tickets: [ObjectIdentifier: Ticket] = [:]
        var isRunning = false
    }

    private static let interval: UInt32 = 250_000
    private let state = Mutex(State())

    /// Puts a connected socket under watch; `nil` where the process has no descriptor left for the duplicate.
    func watch(fileDescriptor: Int32, limit: Duration) -> Ticket? {
        let copy = fcntl(fileDescriptor, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { return nil }
        let ticket = Ticket(fileDescriptor: copy, limit: limit.clampedNanoseconds)
        let mustStart = state.withLock { state in
            state.tickets[ObjectIdentifier(ticket)] = ticket
            defer { state.isRunning = true }
            return !state.isRunning
        }
        if mustStart { startThread() }
        return ticket
    }

    func forget(_ ticket: Ticket) {
        _ = state.withLock { $0.tickets.removeValue(forKey: ObjectIdentifier(ticket)) }
    }

    /// The thread ends when nothing is left to watch.
    private func startThread() {
        do throws(AMQPError) {
            try OwnedThread().start(name: "amqp-watchdog", isDetached: true) {
                while self.look() { usleep(Self.interval) }
            }
        } catch {
            // Out of threads. The next connection tries again; until then the heartbeats are the only guard.
            state.withLock { $0.isRunning = false }
        }
    }

    private func look() -> Bool {
        let now = Monotonic.now()
        return state.withLock { state in
            for ticket in state.tickets.values { ticket.breakIfHanging(now: now) }
            if state.tickets.isEmpty { state.isRunning = false }
            return state.isRunning
        }
    }
}
