internal import AMQP
internal import Synchronization

/// Hands the broker's deliveries to those who know them. Called on the consumer's thread.
final class DeliveryRouter: ConsumerDelegate, Sendable {
    private let intake: JobIntake
    private let webhooks: WebhookRunner
    private let connections: ConnectionWatch
    private let names: QueueNames

    init(intake: JobIntake, webhooks: WebhookRunner, connections: ConnectionWatch, names: QueueNames) {
        self.intake = intake
        self.webhooks = webhooks
        self.connections = connections
        self.names = names
    }

    func consumerOpened(generation: UInt64) {
        webhooks.opened(generation: generation)
        intake.opened(generation: generation)
        connections.consumerOpened()
    }

    func consumerReceived(_ delivery: Delivery) {
        switch delivery.queue {
        case names.webhooks: webhooks.take(delivery)
        case names.failed: intake.takeGivenUp(delivery)
        default: intake.take(delivery)
        }
    }

    func consumerLost(generation: UInt64, error: AMQPError) {
        connections.consumerLost(error)
        intake.lost(generation: generation)
    }

    func consumerFailed(error: AMQPError, retryingAfter delay: Duration) { connections.consumerLost(error) }
}

/// Sends acks to a consumer that is made later than those who ack.
final class AckRelay: Sendable {
    private let consumer = Mutex<ConsumerConnection?>(nil)

    func attach(_ consumer: ConsumerConnection) { self.consumer.withLock { $0 = consumer } }
    func acknowledge(_ tag: DeliveryTag) { consumer.withLock { $0 }?.acknowledge(tag) }
}
