internal import ChatModel
internal import Logging

/// A job that had begun in a worker which died, or seems to have. On its event loop.
extension JobExecution {
    enum Suspicion: Equatable {
        case none
        /// Its last worker may live, and say so.
        case unheard
        /// It waits for its turn among the suspects.
        case waiting
        case tried(alone: Bool)
    }

    /// How long a worker, for each that died with the job, is given to say that it lives and was only cut off: a reconnect
    /// takes less. Two workers that die within seconds do not make a job suspect that nobody has tried since, either.
    private static let patience = Duration.seconds(3)

    /// It waits for its turn: with all others, or among the suspects.
    func standInLine() {
        guard machine.phase == .waiting else { return }
        let record = machine.attempt.hasPredecessor ? host.journal.record(of: job.key) : DeathRecord()
        guard record.deaths > 0 else {
            accountForTheDead()
            return host.board.enter(self)
        }
        suspicion = .unheard
        tell("its worker may have died", ["deaths": "\(record.deaths)"])
        suspicionTimer = timer(after: Self.patience * record.deaths) { self.patienceIsOver() }
    }

    /// The journal has told something new of this job, or of a worker that died with it.
    func suspicionChanged() {
        guard suspicion == .unheard || suspicion == .waiting, machine.phase == .waiting,
            host.journal.record(of: job.key).deaths == 0
        else { return }
        clear()
    }

    private func clear() {
        suspicionTimer?.invalidate()
        suspicion = .none
        host.suspects.left(self, hasPassed: false)
        accountForTheDead()
        host.board.enter(self)
    }

    private func patienceIsOver() {
        guard suspicion == .unheard, machine.phase == .waiting else { return }
        accountForTheDead()
        let record = host.journal.record(of: job.key)
        guard record.deaths > 0 else { return clear() }
        guard !record.isProven else {
            isKiller = true
            return perform(machine.timeExpired(.workersDied))
        }
        suspicion = .waiting
        guard host.suspects.enter(self, record) else { return }
        let event = JobEvent.message(
            .setApart, of: job.key, .init(attempt: machine.attempt.value, queue: delivery.queue), host)
        if let event { shard.publish(event) }
    }

    /// Its turn among the suspects has come.
    func mayBeTried(alone: Bool) {
        guard suspicion == .waiting, machine.phase == .waiting else { return }
        suspicion = .tried(alone: alone)
        host.board.enter(self)
    }

    /// It has ended, or moves.
    func leaveSuspects() {
        suspicionTimer?.invalidate()
        guard suspicion != .none else { return }
        let hasEnded = outcome != nil && !machine.isMoving
        suspicion = .none
        host.suspects.left(self, hasPassed: hasEnded)
    }
}
