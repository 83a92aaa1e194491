internal import ChatModel

/// The jobs that were ended a short while ago, by this worker or by others. Pure; the time is passed in.
///
/// AMQP confirms no ack. If the connection dies around one, the broker gives the job out again although its end was
/// told; whoever remembers it acks it again instead of running it twice.
struct FinishedBook {
    private struct Entry {
        var delivery: FinishedDelivery
        /// Monotonic nanoseconds.
        var time: UInt64
    }

    private let capacity: Int
    private let memory: UInt64
    private var entries: [JobKey: Entry] = [:]
    private var order = FIFO<(key: JobKey, time: UInt64)>()

    /// - Parameters:
    ///   - capacity: jobs; beyond it the oldest are forgotten.
    ///   - memory: how long a job is remembered.
    init(capacity: Int = 100_000, memory: Duration = .seconds(120)) {
        self.capacity = max(1, capacity)
        self.memory = UInt64(clamping: memory.milliseconds) * 1_000_000
    }

    var count: Int { entries.count }

    mutating func note(_ key: JobKey, _ delivery: FinishedDelivery, now: UInt64) {
        entries[key] = Entry(delivery: delivery, time: now)
        order.append((key, now))
        forget(now: now)
    }

    /// Whether this delivery is a repetition of one that was seen through.
    mutating func covers(_ key: JobKey, _ delivery: FinishedDelivery, now: UInt64) -> Bool {
        forget(now: now)
        guard let entry = entries[key] else { return false }
        if entry.delivery.isFollowed(by: delivery) { return true }
        // The job was enqueued again: its own repetitions are none of the earlier one's.
        entries[key] = nil
        return false
    }

    /// Which delivery of the job was seen through.
    func delivery(of key: JobKey) -> FinishedDelivery? { entries[key]?.delivery }

    /// What was noted since, newest last.
    func noted(since time: UInt64) -> [(key: JobKey, delivery: FinishedDelivery)] {
        entries.filter { $0.value.time >= time }.sorted { $0.value.time < $1.value.time }
            .map { ($0.key, $0.value.delivery) }
    }

    private mutating func forget(now: UInt64) {
        while let oldest = order.first, order.count > capacity || now &- oldest.time > memory {
            _ = order.popFirst()
            if entries[oldest.key]?.time == oldest.time { entries[oldest.key] = nil }
        }
    }
}
