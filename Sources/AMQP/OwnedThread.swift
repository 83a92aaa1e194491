import CRabbitMQ
import Glibc
import Synchronization

/// A POSIX thread that can be waited for from async code.
package final class OwnedThread: Sendable {
    private struct State {
        var handle: pthread_t?
        var isFinished = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// librabbitmq decodes nested header tables by recursion: a hostile header of one frame nests 26,000 deep and
    /// needs about 6 MB.
    private static let stackSize = 16 << 20

    private let state = Mutex(State())

    package init() {}

    var isStarted: Bool { state.withLock { $0.handle != nil || $0.isFinished } }

    /// Runs `body` on a new thread. A second call does nothing. A detached thread cannot be joined: `join` returns at
    /// once.
    package func start(
        name: String, isDetached: Bool = false, body: @escaping @Sendable () -> Void
    ) throws(AMQPError) {
        let failed = state.withLock { state -> Int32 in
            guard state.handle == nil, !state.isFinished else { return 0 }
            var attributes = pthread_attr_t()
            pthread_attr_init(&attributes)
            defer { pthread_attr_destroy(&attributes) }
            pthread_attr_setstacksize(&attributes, Self.stackSize)
            if isDetached { pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED)) }
            let task = Unmanaged.passRetained(
                ThreadTask {
                    chat_worker_name_thread(name)
                    body()
                    self.finished()
                })
            var handle = pthread_t()
            let result = pthread_create(
                &handle, &attributes,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<ThreadTask>.fromOpaque(argument).takeRetainedValue().body()
                    return nil
                }, task.toOpaque())
            if result != 0 { task.release() } else if !isDetached { state.handle = handle }
            return result
        }
        if failed != 0 {
            throw AMQPError(.configuration, "no thread could be started: \(String(cString: strerror(failed)))")
        }
    }

    /// Returns when the body has returned; at once where it was never started.
    func join() async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.handle == nil || state.isFinished { return true }
                state.waiters.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
        // The thread's last act was to resume this; joining it frees its stack and takes no time.
        let handle = state.withLock { state in
            defer { state.handle = nil }
            return state.handle
        }
        if let handle { pthread_join(handle, nil) }
    }

    private func finished() {
        let waiters = state.withLock { state in
            state.isFinished = true
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }
}

/// Carries a closure through `pthread_create`.
private final class ThreadTask: Sendable {
    let body: @Sendable () -> Void

    init(body: @escaping @Sendable () -> Void) { self.body = body }
}
