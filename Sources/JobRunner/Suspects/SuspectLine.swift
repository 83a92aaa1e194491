internal import ChatModel
internal import NIOCore
internal import Synchronization

/// Where this worker's suspects wait, and go on to the line for a place as `SuspectWindow` says. Any thread.
final class SuspectLine: Sendable {
    private struct State {
        var window = SuspectWindow<ObjectIdentifier>()
        var jobs: [ObjectIdentifier: JobExecution] = [:]
    }

    private let state = Mutex(State())

    /// Returns whether it has to wait.
    func enter(_ job: JobExecution, _ record: DeathRecord) -> Bool {
        let started = change { state in
            state.jobs[ObjectIdentifier(job)] = job
            return state.window.enter(ObjectIdentifier(job), record)
        }
        return !started.contains { $0 === job }
    }

    /// It is cleared, moves, or is over; nothing happens for one that was never here.
    ///
    /// - Parameter hasPassed: it has ended, and this worker lives.
    func left(_ job: JobExecution, hasPassed: Bool) {
        change { state in
            guard state.jobs.removeValue(forKey: ObjectIdentifier(job)) != nil else { return [] }
            return state.window.left(ObjectIdentifier(job), hasPassed: hasPassed)
        }
    }

    @discardableResult
    private func change(_ body: (inout State) -> [SuspectWindow<ObjectIdentifier>.Start]) -> [JobExecution] {
        let started = state.withLock { state in
            body(&state).compactMap { start in state.jobs[start.id].map { ($0, start.suspects) } }
        }
        for (job, suspects) in started { job.loop.execute { job.mayBeTried(suspects: suspects) } }
        return started.map(\.0)
    }
}
