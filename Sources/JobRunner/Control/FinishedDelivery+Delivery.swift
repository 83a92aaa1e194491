internal import AMQP

extension FinishedDelivery {
    init(_ delivery: Delivery, workerUser: String) {
        let attempt = Republication.attempt(of: delivery, workerUser: workerUser)
        self.init(
            republishes: attempt.republishes, deliveryCount: attempt.deliveryCount, bodyHash: delivery.bodyHash)
    }
}
