internal import AMQP
internal import ChatModel

/// The deliveries of a job beside the one that brought it: later ones, lost ones, and other workers'. On its event loop.
extension JobExecution {
    func join(_ tag: DeliveryTag) { joined.append(tag) }

    /// `resume` is called when this life of the job is over: the next one has come already.
    func precede(_ resume: @escaping @Sendable () -> Void) { successors.append(resume) }

    /// Calls `body` at once, or, if the end under this attempt is on its way, when it is confirmed and the job acked.
    func whenEnded(as attempt: Int64, _ body: @escaping @Sendable () -> Void) {
        guard machine.phase == .completing, machine.hasDelivery, !machine.isMoving, machine.attempt.value == attempt
        else { return body() }
        precede(body)
    }

    func deliveryLost() {
        joined = []
        let wasRecalled = stream?.recall() ?? false
        perform(machine.deliveryLost(outcome: outcome, wasRecalled: wasRecalled))
    }

    /// What a redelivery is to a job whose own delivery was lost.
    enum Adoption {
        case adopted
        /// Somebody else had the job in between: this execution is over.
        case somebodyElses
        /// It is another message that asks the same.
        case another
    }

    func adopt(_ newcomer: JobExecution) -> Adoption {
        guard newcomer.delivery.body == delivery.body else { return .another }
        guard newcomer.finished.republishes == finished.republishes,
            newcomer.finished.deliveryCount == finished.deliveryCount + 1
        else {
            perform(machine.claimedElsewhere())
            return .somebodyElses
        }
        delivery = newcomer.delivery
        finished = newcomer.finished
        host.counters.adopted.add(1, ordering: .relaxed)
        perform(machine.deliveryAdopted())
        return .adopted
    }

    /// The job was not given back in time after its delivery was lost.
    func adoptionExpired() {
        if !machine.hasDelivery { perform(machine.claimedElsewhere()) }
    }

    /// Another worker has taken the job under a later attempt.
    func claimed(as attempt: Int64) {
        if !machine.hasDelivery {
            if attempt > machine.attempt.value { perform(machine.claimedElsewhere()) }
        } else if let left = finished.leftBehind(claimedAs: attempt) {
            // The job goes on here.
            host.control.announceFinished(job.key, left)
        }
    }

    /// Another worker had told the end of a delivery of this job whose ack was lost.
    func finishedElsewhere(_ other: FinishedDelivery) {
        if other.isFollowed(by: finished) { wasSeenThrough() }
    }

    /// This delivery repeats one whose end was told.
    func wasSeenThrough() {
        let action = machine.finishedElsewhere()
        guard action != .nothing else { return }
        gatewayStream?.cancel()
        stream?.abandon()
        perform(action)
    }
}
