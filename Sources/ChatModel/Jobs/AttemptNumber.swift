/// The number of an attempt. It grows over retries, crashes, hand-backs and workers, and skips:
/// republishes x 1,000,000 + the broker's delivery count x 1,000 + the try within this delivery.
public struct AttemptNumber: Sendable, Comparable, Hashable {
    /// Times that a worker has republished the job's message.
    public var republishes: Int
    /// Times that the broker has given this message out before (`Delivery.returns`).
    public var deliveryCount: Int
    /// From 1 within a delivery, to `lastTry`.
    public var tryNumber: Int

    /// More are not counted.
    public static let mostRepublishes = 1_000_000_000

    /// No try of a delivery has a higher number: the next number is the next delivery's. Whoever would need one more
    /// republishes the job (which asks for a model), or says nothing but its end under this one (which streams).
    public static let lastTry = 999

    public init(republishes: Int = 0, deliveryCount: Int = 0, tryNumber: Int = 1) {
        self.republishes = min(max(republishes, 0), Self.mostRepublishes)
        self.deliveryCount = min(max(deliveryCount, 0), 999)
        self.tryNumber = min(max(tryNumber, 0), Self.lastTry)
    }

    /// What stands in `x-attempt`.
    public var value: Int64 {
        Int64(republishes) * 1_000_000 + Int64(deliveryCount) * 1_000 + Int64(tryNumber)
    }

    /// An earlier attempt of this job was at least begun, so text of it may have been sent.
    public var hasPredecessor: Bool { republishes > 0 || deliveryCount > 0 || tryNumber > 1 }

    /// No attempt of this delivery comes after it.
    public var isLast: Bool { tryNumber >= Self.lastTry }

    /// The next try within this delivery; the last one has none.
    public func next() -> AttemptNumber {
        AttemptNumber(republishes: republishes, deliveryCount: deliveryCount, tryNumber: tryNumber + 1)
    }

    public static func < (left: AttemptNumber, right: AttemptNumber) -> Bool { left.value < right.value }
}
