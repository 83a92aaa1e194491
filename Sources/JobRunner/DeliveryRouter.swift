internal import AMQP
internal import Synchronization

/// Hands the broker's deliveries to those who know them. Called on the consumer's thread.
final class DeliveryRouter: ConsumerDelegate, Sendable {
    private let intake: JobIntake
    private let webhooks: WebhookRunner
    private let endpoints: StreamFollower
    private let connections: ConnectionWatch
    private let host: JobHost
    private let brokerVersion: @Sendable () -> BrokerVersion?
    /// Of the version whose limits were told last.
    private let told = Mutex<BrokerVersion?>(nil)

    /// - Parameter brokerVersion: of the broker that the consumer is connected to.
    init(
        intake: JobIntake, webhooks: WebhookRunner, endpoints: StreamFollower, connections: ConnectionWatch,
        host: JobHost, brokerVersion: @escaping @Sendable () -> BrokerVersion?
    ) {
        self.brokerVersion = brokerVersion
        self.intake = intake
        self.webhooks = webhooks
        self.endpoints = endpoints
        self.connections = connections
        self.host = host
    }

    func consumerOpened(generation: UInt64) {
        tellSizes()
        host.control.opened(generation: generation)
        host.journal.opened(generation: generation)
        endpoints.opened(generation: generation)
        webhooks.opened()
        intake.opened(generation: generation)
        connections.consumerOpened()
        leaseChanged()
    }

    func consumerFound(formerQueues: [String], brokerVersion: BrokerVersion?) {
        guard !formerQueues.isEmpty else { return }
        let former = FormerQueues(queues: formerQueues, virtualHost: host.configuration.broker.virtualHost)
        host.logger.log(
            level: FormerQueues.mayLose(on: brokerVersion) ? .warning : .notice,
            "\(former.meaning(on: brokerVersion))", metadata: ["policy": "\(former.policy)"])
    }

    /// Once for each version: nodes of a cluster may differ while it is upgraded.
    private func tellSizes() {
        let version = brokerVersion()
        let isNew = told.withLock { told in
            defer { told = version }
            return told != version
        }
        guard isNew else { return }
        for warning in MessageSizeLimit.warnings(
            version: version, maximumJobBytes: host.configuration.rules.maximumBytes,
            maximumAnswerBytes: host.settings.maximumAnswerBytes)
        {
            host.logger.warning("\(warning)")
        }
    }

    func consumerReceived(_ delivery: Delivery) {
        switch delivery.queue {
        case let queue where host.names.holdsWebhooks(queue): webhooks.take(delivery)
        case host.names.control: host.control.received(delivery)
        case host.names.endpoints: endpoints.received(delivery)
        case host.names.journal: host.journal.received(delivery)
        case host.names.failed: if !host.journal.holds(delivery) { intake.takeGivenUp(delivery) }
        default: if !host.control.holds(delivery), !host.journal.holds(delivery) { intake.take(delivery) }
        }
    }

    func consumerLost(generation: UInt64, error: AMQPError) {
        connections.consumerLost(error)
        intake.lost(generation: generation)
        host.control.lost()
        host.journal.lost()
        endpoints.lost()
        webhooks.lost()
        leaseChanged()
    }

    func consumerSilent(generation: UInt64) { host.control.doubted() }

    func consumerHeard(generation: UInt64) { leaseChanged() }

    func consumerFailed(error: AMQPError, retryingAfter delay: Duration) { connections.consumerLost(error) }

    private func leaseChanged() {
        for shard in host.shards { shard.leaseChanged() }
    }
}

/// Reaches a consumer that is made later than those who need it.
final class ConsumerRelay: Sendable {
    private let consumer = Mutex<ConsumerConnection?>(nil)

    func attach(_ consumer: ConsumerConnection) { self.consumer.withLock { $0 = consumer } }
    func acknowledge(_ tag: DeliveryTag) { consumer.withLock { $0 }?.acknowledge(tag) }
    var brokerVersion: BrokerVersion? { consumer.withLock { $0 }?.brokerVersion }
    func rereadStreams() { consumer.withLock { $0 }?.rereadStreams() }
}
