/// The receipts of all that must have arrived before a delivery is acked: the messages of its end, or of its move, and
/// usage events of attempts that ended before. Pure; whoever holds it guards it.
///
/// It depends on no order: one message that was not published (`void`) means that the delivery is not seen through,
/// whichever receipt comes last.
struct ReceiptCounter: Sendable, Equatable {
    enum Part: Sendable, Equatable {
        /// The messages of the end. An end that is made anew counts anew.
        case end
        /// Usage events of attempts before the last.
        case earlier
    }

    enum Verdict: Sendable, Equatable {
        /// More has to arrive.
        case waiting
        /// All has arrived: the delivery may be acked. Said once for each end.
        case finished
        /// Something was not published: whoever has the job now sees to it, and this delivery is not acked.
        case notFinished
    }

    private var earlier = 0
    /// `nil` where the end is not out, or was found finished.
    private var end: Int?
    private var hasVoid = false

    /// So many usage events of earlier attempts are out.
    mutating func sentEarlier(_ count: Int) { earlier += count }

    /// The end is out, with so many messages. What was counted of an end before this one is void.
    mutating func sentEnd(_ count: Int) -> Verdict {
        (end, hasVoid) = (count, false)
        return verdict()
    }

    /// One of them has arrived, was given up, or was not published.
    mutating func settled(_ part: Part, _ settlement: DurableMessage.Settlement) -> Verdict {
        switch part {
        case .earlier: earlier = max(0, earlier - 1)
        case .end: end = end.map { max(0, $0 - 1) }
        }
        if settlement == .void { hasVoid = true }
        return verdict()
    }

    /// Nothing is out any more.
    var isEmpty: Bool { earlier == 0 && end ?? 0 == 0 }

    private mutating func verdict() -> Verdict {
        if hasVoid { return .notFinished }
        guard end == 0, earlier == 0 else { return .waiting }
        end = nil
        return .finished
    }
}
