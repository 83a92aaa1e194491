internal import AMQP
internal import ChatModel
internal import NIOCore
internal import Synchronization

/// All jobs of this worker: which run, which wait for a place, who may start next. Any thread.
final class JobBoard: Sendable {
    /// What is to be done with a job that has just come.
    enum Admission {
        case start
        /// It waits for its turn.
        case waits
        /// The same job runs already: let this delivery share its end, or be its delivery again.
        case known(JobExecution)
        /// Its connection is gone already; the broker gives it out again.
        case stale
    }

    private struct State {
        var jobs: [JobKey: JobExecution] = [:]
        var running = 0
        /// By priority, 0 first.
        var waiting = [FIFO<JobExecution>](repeating: FIFO(), count: 3)
        /// The consumer connection that is valid; 0 for none.
        var generation: UInt64 = 0
        var isDraining = false
        var whenEmpty: CheckedContinuation<Void, Never>?
    }

    private let concurrency: Int
    private let state = Mutex(State())

    init(concurrency: Int) { self.concurrency = concurrency }

    func admit(_ execution: JobExecution) -> Admission {
        state.withLock { state in
            guard execution.admittedGeneration == state.generation, !state.isDraining else { return .stale }
            if let known = state.jobs[execution.job.key] { return .known(known) }
            state.jobs[execution.job.key] = execution
            guard state.running < concurrency else {
                state.waiting[execution.priority].append(execution)
                return .waits
            }
            state.running += 1
            return .start
        }
    }

    /// A job is over. Returns the one that takes its place.
    func finished(_ execution: JobExecution, hadPlace: Bool) -> JobExecution? {
        let (next, continuation) = state.withLock { state -> (JobExecution?, CheckedContinuation<Void, Never>?) in
            if state.jobs[execution.job.key] === execution { state.jobs[execution.job.key] = nil }
            var next: JobExecution?
            if hadPlace {
                for priority in state.waiting.indices where next == nil { next = state.waiting[priority].popFirst() }
                if next == nil { state.running -= 1 }
            }
            guard state.jobs.isEmpty else { return (next, nil) }
            return (next, state.whenEmpty.take())
        }
        continuation?.resume()
        return next
    }

    /// A new connection's deliveries are valid from now on.
    func opened(generation: UInt64) { state.withLock { $0.generation = generation } }

    /// The connection's deliveries are void. Returns the jobs concerned.
    func lost(generation: UInt64) -> [JobExecution] {
        state.withLock { state in
            if state.generation == generation { state.generation = 0 }
            // Those in the line are dropped with their deliveries.
            for priority in state.waiting.indices { state.waiting[priority] = FIFO() }
            return Array(state.jobs.values)
        }
    }

    /// The job of this key, where it is here.
    func known(_ key: JobKey) -> JobExecution? { state.withLock { $0.jobs[key] } }

    /// The connection that was opened last and is not lost, 0 for none.
    var generation: UInt64 { state.withLock { $0.generation } }

    var all: [JobExecution] { state.withLock { Array($0.jobs.values) } }

    var counts: (running: Int, waiting: Int) {
        state.withLock { state in (state.running, state.waiting.reduce(0) { $0 + $1.count }) }
    }

    /// From now on nothing is admitted. Returns what is here.
    func drain() -> [JobExecution] {
        state.withLock { state in
            state.isDraining = true
            return Array(state.jobs.values)
        }
    }

    /// Whoever waits in `empty` waits no longer.
    func giveUpWaiting() { state.withLock { $0.whenEmpty.take() }?.resume() }

    /// Returns when no job is left.
    func empty() async {
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                // Cancelled, nobody would resume it any more.
                let isOver = state.jobs.isEmpty || Task.isCancelled
                if !isOver { state.whenEmpty = continuation }
                return isOver
            }
            if isEmpty { continuation.resume() }
        }
    }
}
