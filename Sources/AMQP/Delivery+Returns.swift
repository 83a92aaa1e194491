extension Delivery {
    /// How often the broker took this message back from a consumer: the larger of its two counters (RabbitMQ 4.3 counts in
    /// `x-acquired-count` what earlier ones count in `x-delivery-count`), at least once where it says so. A first delivery
    /// has none, whatever its publisher wrote into these headers.
    public var returns: Int {
        guard redelivered else { return 0 }
        let counters = ["x-delivery-count", "x-acquired-count"].compactMap { properties.headers.integer($0) }
        return Int(clamping: max(1, counters.max() ?? 1))
    }
}
