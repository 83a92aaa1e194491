import NIOCore

extension TimeAmount {
    /// A configured duration; never negative, at most about 100 days, so that adding it to a deadline cannot overflow.
    init(bounded duration: Duration) {
        let parts = duration.components
        guard parts.seconds >= 0, parts.attoseconds >= 0 else {
            self = .zero
            return
        }
        let seconds = min(parts.seconds, 8_640_000)
        self = .nanoseconds(seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000)
    }
}
