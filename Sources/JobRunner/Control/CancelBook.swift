internal import ChatModel

/// The cancels that were read from the control stream, and whom they concern. Pure.
///
/// A cancel concerns what was enqueued before it. The stream's order decides where it can (a replay notes how far the
/// stream had come), else the clocks of those who sent job and cancel, where both say a time. Where nothing tells the
/// two apart the cancel holds, once: a job that is enqueued anew after its cancel was carried out runs.
struct CancelBook {
    /// What of a job's message says when it was enqueued.
    struct Enqueued: Sendable, Equatable {
        /// How far the control stream had come at its replay.
        var controlOffset: Int64?
        /// Seconds since 1970, as its publisher says.
        var time: Int64?
        /// It was given out or republished before.
        var isRepeated: Bool
    }

    private struct Entry {
        var cancel: ControlMessage.Cancel
        /// A worker has ended the job as cancelled.
        var isUsed = false
        /// Its place in `order`.
        var number: UInt64
    }

    private let capacity: Int
    private var entries: [JobKey: Entry] = [:]
    private var order = FIFO<(key: JobKey, number: UInt64)>()
    private var nextNumber: UInt64 = 0

    /// - Parameter capacity: jobs; beyond it the oldest cancels are forgotten.
    init(capacity: Int = 200_000) { self.capacity = max(1, capacity) }

    var count: Int { entries.count }

    mutating func note(_ cancel: ControlMessage.Cancel) {
        // A second cancel of the same job counts from then on.
        entries[cancel.key] = Entry(cancel: cancel, number: nextNumber)
        order.append((cancel.key, nextNumber))
        nextNumber &+= 1
        while entries.count > capacity || order.count > 2 * capacity, let oldest = order.popFirst() {
            guard entries[oldest.key]?.number == oldest.number else { continue }
            if entries.count > capacity {
                entries[oldest.key] = nil
            } else {
                order.append(oldest)
                break
            }
        }
    }

    /// The job was ended as cancelled.
    mutating func noteUsed(_ key: JobKey) { entries[key]?.isUsed = true }

    func concerns(_ key: JobKey, _ enqueued: Enqueued) -> Bool {
        guard let entry = entries[key] else { return false }
        if let offset = enqueued.controlOffset { return entry.cancel.offset > offset }
        if let sent = entry.cancel.time, let time = enqueued.time, sent != time { return sent > time }
        return !entry.isUsed || enqueued.isRepeated
    }
}
