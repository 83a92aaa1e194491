package import ChatModel

/// The cancels that were read from the control stream, and whom they concern. Pure.
///
/// A cancel concerns what was enqueued before it. The stream's order decides where it can (a replay notes how far the
/// stream had come), else the clocks of those who sent job and cancel, where both say a time that differs by more than
/// clocks may. Where nothing tells the two apart the cancel holds, once: a job that is enqueued anew after its cancel was
/// carried out runs.
package struct CancelBook {
    /// What of a job's message says when it was enqueued.
    package struct Enqueued: Sendable, Equatable {
        /// How far the control stream had come at its replay.
        var controlOffset: Int64?
        /// Seconds since 1970, as its publisher says.
        var time: Int64?
        /// It was given out or republished before.
        var isRepeated: Bool

        package init(controlOffset: Int64? = nil, time: Int64? = nil, isRepeated: Bool) {
            self.controlOffset = controlOffset
            self.time = time
            self.isRepeated = isRepeated
        }
    }

    /// What a cancel is to a job.
    package enum Concern: Sendable, Equatable {
        /// There is none.
        case none
        case applies
        /// There is one, for an earlier job of that id; why, in words.
        case ignored(String)
    }

    /// Seconds by which the clocks of those who send jobs and cancels may differ.
    static let clockSkew: Int64 = 10

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
    package init(capacity: Int = 200_000) { self.capacity = max(1, capacity) }

    package var count: Int { entries.count }

    /// - Parameter now: seconds since 1970 by this worker's clock, where the cancel is read as it is written: it was sent a
    ///   moment ago, whatever its sender's clock says.
    package mutating func note(_ cancel: ControlMessage.Cancel, now: Int64? = nil) {
        var cancel = cancel
        if let now, let time = cancel.time { cancel.time = max(time, now) }
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

    func concerns(_ key: JobKey, _ enqueued: Enqueued) -> Bool { concern(key, enqueued) == .applies }

    package func concern(_ key: JobKey, _ enqueued: Enqueued) -> Concern {
        guard let entry = entries[key] else { return .none }
        if let offset = enqueued.controlOffset {
            return entry.cancel.offset > offset ? .applies : .ignored("the job was replayed after it was cancelled")
        }
        if let sent = entry.cancel.time, let time = enqueued.time {
            let (later, overflows) = sent.subtractingReportingOverflow(time)
            if overflows ? sent > time : later > 0 { return .applies }
            if overflows || later < -Self.clockSkew {
                return .ignored("it was sent \(overflows ? "long" : "\(-later) s") before the job was enqueued")
            }
        }
        guard entry.isUsed, !enqueued.isRepeated else { return .applies }
        return .ignored("it has ended an earlier job of that id")
    }
}
