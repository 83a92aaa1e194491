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
        /// With so many suspects at most, itself among them.
        case tried(suspects: Int)
    }

    /// How long each worker that seems to have died with the job, and was not given it before, has to say that it lives and was
    /// only cut off: a reconnect takes less. All jobs of that worker wait at the same time.
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
        suspicionTimer = timer(after: Self.patience * max(1, record.unheard)) { self.patienceIsOver() }
    }

    /// The journal has told something new of this job, or of a worker that died with it.
    func suspicionChanged() {
        guard suspicion == .unheard || suspicion == .waiting, machine.phase == .waiting else { return }
        let record = host.journal.record(of: job.key)
        if record.deaths == 0 {
            clear()
        } else if suspicion == .waiting {
            host.suspects.reconsidered(self, record)
        }
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
        host.suspects.enter(self, record)
        let event = JobEvent.message(
            .setApart, of: job.key, .init(attempt: machine.attempt.value, queue: delivery.queue), host)
        if let event { shard.publish(event) }
    }

    /// Its turn among the suspects has come.
    func mayBeTried(suspects: Int) {
        guard suspicion == .waiting, machine.phase == .waiting else { return }
        suspicion = .tried(suspects: suspects)
        // It had its turn before it became one: behind all of its customer's jobs each group would wait as long as they do.
        host.board.enter(self, hadPlace: true)
    }

    /// Those that were to ask before it have asked.
    func turnHasCome() {
        guard machine.phase == .waiting, pass != nil else { return host.suspects.turnIsOver(self) }
        startAsking()
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
