internal import ChatModel
internal import NIOCore
internal import Synchronization

/// Where this worker's suspects wait, and go on to the line for a place as `SuspectWindow` says; those that have one ask one
/// after the other (`SuspectTurns`). Any thread.
final class SuspectLine: Sendable {
    private struct State {
        var window = SuspectWindow<ObjectIdentifier>()
        var jobs: [ObjectIdentifier: JobExecution] = [:]
        /// Those that came when there was none, and in the moment after.
        var gathering: [ObjectIdentifier: DeathRecord] = [:]
        var turns = SuspectTurns<ObjectIdentifier>()
    }

    /// All that a dead worker ran come at nearly the same time: the window is to begin with the first in order, not with the
    /// first to come.
    private static let gatheringTime = TimeAmount.milliseconds(500)
    /// How long the others wait, at most, for a suspect's request to arrive.
    private static let turnTime = TimeAmount.milliseconds(100)

    private let state = Mutex(State())

    /// It waits for its turn.
    func enter(_ job: JobExecution, _ record: DeathRecord) {
        let id = ObjectIdentifier(job)
        var isFirst = false
        change { state in
            isFirst = state.jobs.isEmpty
            state.jobs[id] = job
            if isFirst || !state.gathering.isEmpty {
                state.gathering[id] = record
                return []
            }
            return state.window.enter(id, record)
        }
        guard isFirst else { return }
        job.loop.scheduleTask(in: Self.gatheringTime) {
            self.change { state in
                let gathered = state.gathering.sorted { $0.value.order < $1.value.order }
                state.gathering = [:]
                return gathered.flatMap { state.window.enter($0.key, $0.value) }
            }
        }
    }

    /// Less speaks against it than before, but not nothing.
    func reconsidered(_ job: JobExecution, _ record: DeathRecord) {
        let id = ObjectIdentifier(job)
        change { state in
            guard state.gathering[id] == nil else {
                state.gathering[id] = record
                return []
            }
            return state.window.reconsidered(id, record)
        }
    }

    /// It is cleared, moves, or is over; nothing happens for one that was never here.
    ///
    /// - Parameter hasPassed: it has ended, and this worker lives.
    func left(_ job: JobExecution, hasPassed: Bool) {
        change { state in
            guard state.jobs.removeValue(forKey: ObjectIdentifier(job)) != nil else { return [] }
            state.gathering[ObjectIdentifier(job)] = nil
            state.turns.leave(ObjectIdentifier(job))
            return state.window.left(ObjectIdentifier(job), hasPassed: hasPassed)
        }
        turnIsOver(job)
    }

    /// It is about to ask. Where it returns false, `JobExecution.turnHasCome` is called.
    func takesTurn(_ job: JobExecution) -> Bool {
        let isNow = state.withLock { $0.turns.take(ObjectIdentifier(job)) }
        if isNow { limitTurn(job) }
        return isNow
    }

    /// Its request has arrived, or it is over; nothing happens where it was not its turn.
    func turnIsOver(_ job: JobExecution) {
        let next = state.withLock { state in state.turns.over(ObjectIdentifier(job)).flatMap { state.jobs[$0] } }
        guard let next else { return }
        limitTurn(next)
        next.loop.execute { next.turnHasCome() }
    }

    private func limitTurn(_ job: JobExecution) {
        job.loop.scheduleTask(in: Self.turnTime) { self.turnIsOver(job) }
    }

    private func change(_ body: (inout State) -> [SuspectWindow<ObjectIdentifier>.Start]) {
        let started = state.withLock { state in
            body(&state).compactMap { start in state.jobs[start.id].map { ($0, start.suspects) } }
        }
        for (job, suspects) in started { job.loop.execute { job.mayBeTried(suspects: suspects) } }
    }
}
