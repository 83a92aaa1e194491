package import AMQP
package import ChatModel
package import JobRunner

/// Goes through the dead-letter queue on one connection. Blocking; one thread.
///
/// It takes message by message with `basic.get` and acks none but those that are done with; the others go back when it is
/// through, or when its connection ends, however it ends. Each going back raises `x-delivery-count`; the dead-letter queue
/// has a limit that nobody reaches (`TopologyPlan`), and where an earlier version declared it without one, letters that came
/// back often are copied before the broker drops them (`DeadLetter.copied`).
package final class DeadLetterDesk {
    private let session: AMQPSession
    private let configuration: AMQPConfiguration
    private let names: QueueNames
    private let customers: JobRules.CustomerSource
    /// Taken in the present walk and not acked.
    private var held = 0
    /// The broker drops letters of this queue that came back too often.
    private var mustCopy = false
    /// Where a cancel must stand to concern what is replayed from here on.
    private var controlOffset: Int64?

    /// How long a walk waits at its end until the broker shows what went back.
    private static let returnTime = Duration.seconds(2)

    /// Whatever a worker could take must be readable here (`jobs.max_bytes` goes up to 128 MB).
    package static let largestBody = 256 << 20

    /// - Parameter maximumBodySize: of a larger body nothing is kept; such a letter cannot be replayed by this desk.
    /// - Throws: `AMQPError`.
    package init(
        configuration: AMQPConfiguration, names: QueueNames, customers: JobRules.CustomerSource,
        maximumBodySize: Int = DeadLetterDesk.largestBody
    ) throws(AMQPError) {
        self.configuration = configuration
        self.names = names
        self.customers = customers
        session = try AMQPSession(configuration: configuration, role: "dead", maximumBodySize: maximumBodySize)
    }

    package func close() { session.close() }

    /// Shows every message that is there at the start to `visit` until it says to stop. In no order: the broker mixes what
    /// comes back.
    ///
    /// - Throws: `Unavailable` where there is no such queue, `AMQPError`, and what `visit` throws. What was not acked by
    ///   then is back on the queue.
    package func walk(_ visit: (DeadLetter, Delivery) throws -> Bool) throws {
        let count: Int
        do throws(AMQPError) {
            count = try session.inspectQueue(names.dead).messageCount
        } catch {
            throw Unavailable.missing("the queue \(names.dead)", where: error)
        }
        held = 0
        mustCopy = try isLossy()
        for _ in 0..<count {
            guard let delivery = try session.get(names.dead) else { break }
            held += 1
            let letter = DeadLetter(delivery, names: names, workerUser: configuration.username)
            let before = held
            let goesOn = try visit(letter, delivery)
            if held == before, mustCopy, delivery.returns >= DeadLetter.mostReturns {
                try copy(letter, delivery)
            }
            guard goesOn else { break }
        }
        try putBack()
    }

    /// Whether the queue has no limit of its own on a broker that gives it one then. Asked by declaring what is there once
    /// more; a login that may not declare, or a queue that somebody else made, says nothing and is taken for lossy.
    private func isLossy() throws(AMQPError) -> Bool {
        guard FormerQueues.mayLose(on: session.brokerVersion) else { return false }
        let queue = TopologyPlan(names: names).topology.queues.filter { $0.name == names.dead }
        do throws(AMQPError) {
            return try !session.declare(Topology(queues: queue)).isEmpty
        } catch {
            guard error.code == .channelClosed else { throw error }
            return true
        }
    }

    /// Puts a copy that was never returned in the place of a letter. The copy stands behind all that this walk looks at.
    private func copy(_ letter: DeadLetter, _ delivery: Delivery) throws {
        // A larger message would make the broker close the channel, and return all letters at once.
        let isSmall = letter.isWhole && letter.size <= UInt64(MessageSizeLimit.standard)
        let outcome =
            isSmall
            ? try session.publish(
                routingKey: names.dead, properties: letter.copied(delivery), body: delivery.body, mandatory: true)
            : .rejected
        guard outcome == .confirmed else {
            let former = FormerQueues(queues: [names.dead], virtualHost: configuration.virtualHost)
            throw Unavailable(
                "a dead letter came back \(delivery.returns) times; after "
                    + "\(FormerQueues.defaultLimit) times this broker drops it. Lift the limit before it is looked at again: "
                    + former.policy)
        }
        try session.acknowledge(delivery)
    }

    /// The next command must find what this one did not take: going back is no call that is answered.
    private func putBack() throws(AMQPError) {
        try session.returnAll()
        let deadline = ContinuousClock.now + Self.returnTime
        // Each look is a question to the broker that waits for its answer. Somebody else may take them meanwhile.
        while try session.inspectQueue(names.dead).messageCount < held, ContinuousClock.now < deadline {}
    }

    /// Notes how far the control stream has come: a job that is replayed after a cancel runs.
    ///
    /// - Throws: `Unavailable` where that cannot be told; then nothing may be replayed.
    package func readControlOffset() throws {
        guard controlOffset == nil else { return }
        controlOffset = try ControlMark.place(configuration: configuration, names: names)
    }

    package func obstacle(to letter: DeadLetter) -> DeadLetter.Obstacle? { letter.obstacle(customers: customers) }

    package func destination(of letter: DeadLetter) -> String { letter.destination(names) }

    /// Publishes it to the queue that it came from; acks it when that is confirmed. A connection that dies in between
    /// leaves it in both places, and nothing is lost.
    package func replay(_ letter: DeadLetter, _ delivery: Delivery) throws {
        if letter.kind == .job { try readControlOffset() }
        let queue = letter.destination(names)
        let outcome = try session.publish(
            routingKey: queue,
            properties: letter.replayed(
                delivery, workerUser: configuration.username, controlOffset: controlOffset, now: WallClock.now()),
            body: delivery.body, mandatory: true)
        switch outcome {
        case .confirmed: try drop(delivery)
        case .returned: throw Unavailable.missing("the queue \(queue)")
        case .rejected: throw Unavailable("the broker refused a message for the queue \(queue)")
        }
    }

    /// Takes it away for good.
    package func drop(_ delivery: Delivery) throws(AMQPError) {
        try session.acknowledge(delivery)
        held -= 1
    }
}
