/// When a publish connection asks whether the broker has an alarm: at once after it was opened, then once a second as long
/// as nothing else is published on it. Pure; times are monotonic nanoseconds.
struct AlarmQuestions {
    static let interval: UInt64 = 1_000_000_000

    /// Never asks: the broker did not let it, or nobody wants to know.
    private(set) var isOff: Bool
    private var next: UInt64 = 0
    /// The last question has no answer yet.
    private var isAsked = false
    /// Messages that were published before the last look.
    private var published: UInt64 = 0

    init(isOff: Bool) { self.isOff = isOff }

    /// Whether to ask now.
    /// - Parameter lastPublished: number of the last message on this connection; each is a question by itself.
    mutating func isDue(now: UInt64, lastPublished: UInt64) -> Bool {
        guard !isOff, now >= next, !isAsked else { return false }
        next = now &+ Self.interval
        guard published == lastPublished else {
            published = lastPublished
            return false
        }
        isAsked = true
        return true
    }

    mutating func answered() { isAsked = false }

    mutating func turnOff() { isOff = true }
}
