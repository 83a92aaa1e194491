internal import AMQP

extension FinishedDelivery {
    init(_ delivery: Delivery, workerUser: String) {
        let attempt = Republication.attempt(of: delivery, workerUser: workerUser)
        self.init(
            republishes: attempt.republishes, deliveryCount: attempt.deliveryCount, bodyHash: Self.hash(delivery.body))
    }

    /// FNV-1a, 64 bits: the same in every process.
    private static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
    }
}
