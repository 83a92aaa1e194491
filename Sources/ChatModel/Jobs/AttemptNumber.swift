/// The number of an attempt. It grows over retries, crashes, hand-backs and workers, and skips:
/// republishes x 1,000,000 + the broker's delivery count x 1,000 + the try within this delivery.
public struct AttemptNumber: Sendable, Comparable, Hashable {
    /// Times that a worker has republished the job's message.
    public var republishes: Int
    /// Times that the broker has given this message out before (`Delivery.returns`).
    public var deliveryCount: Int
    /// From 1 within a delivery.
    public var tryNumber: Int

    public init(republishes: Int = 0, deliveryCount: Int = 0, tryNumber: Int = 1) {
        self.republishes = min(max(republishes, 0), 1_000_000_000)
        self.deliveryCount = min(max(deliveryCount, 0), 999)
        self.tryNumber = min(max(tryNumber, 0), 999)
    }

    /// What stands in `x-attempt`.
    public var value: Int64 {
        Int64(republishes) * 1_000_000 + Int64(deliveryCount) * 1_000 + Int64(tryNumber)
    }

    /// An earlier attempt of this job was at least begun, so text of it may have been sent.
    public var hasPredecessor: Bool { republishes > 0 || deliveryCount > 0 || tryNumber > 1 }

    /// The next try within this delivery.
    public func next() -> AttemptNumber {
        AttemptNumber(republishes: republishes, deliveryCount: deliveryCount, tryNumber: tryNumber + 1)
    }

    public static func < (left: AttemptNumber, right: AttemptNumber) -> Bool { left.value < right.value }
}
