/// What a consumer decided about a delivery.
struct Settlement: Sendable, Equatable {
    enum Verdict: Sendable, Equatable { case acknowledge, reject, requeue }
    var tag: DeliveryTag
    var verdict: Verdict
}

/// Turns settlements, in whatever order they come, into as few frames as possible, for one generation of a consumer
/// connection. Pure. A tag that was never delivered, or was settled before, is ignored: sending it would close the
/// channel (406).
struct AckBatcher {
    enum Command: Equatable {
        /// With `multiple`, everything up to the tag.
        case acknowledge(UInt64, multiple: Bool)
        case reject(UInt64, requeue: Bool)
    }

    private enum Mark { case open, acknowledged }

    let generation: UInt64
    private var marks: [UInt64: Mark] = [:]
    /// Tags in the order of delivery, which is ascending; settled ones are dropped from the front, and from the
    /// middle when they are the most of it (one long job would else keep the tags of all that passed it).
    private var order: [UInt64] = []
    private var front = 0
    private var acknowledged: [UInt64] = []
    private var rejected: [Command] = []

    init(generation: UInt64) { self.generation = generation }

    /// Tags kept in memory.
    var rememberedTags: Int { order.count - front }
    /// Deliveries that are not settled.
    var outstanding: Int { marks.count - acknowledged.count }

    mutating func delivered(_ tag: UInt64) {
        guard marks.updateValue(.open, forKey: tag) == nil else { return }
        order.append(tag)
        if order.count - front > 2 * marks.count + 64 {
            order = order[front...].filter { marks[$0] != nil }
            front = 0
        }
    }

    mutating func settle(_ settlement: Settlement) {
        let tag = settlement.tag
        guard tag.generation == generation, marks[tag.value] == .open else { return }
        switch settlement.verdict {
        case .acknowledge:
            marks[tag.value] = .acknowledged
            acknowledged.append(tag.value)
        case .reject, .requeue:
            marks[tag.value] = nil
            rejected.append(.reject(tag.value, requeue: settlement.verdict == .requeue))
        }
    }

    /// What to send now. Rejections come first, since an ack with `multiple` would take their messages along.
    mutating func flush() -> [Command] {
        var commands = rejected
        rejected.removeAll(keepingCapacity: true)
        guard !acknowledged.isEmpty else { return commands }

        var last: UInt64?
        var covered = 0
        while front < order.count {
            let tag = order[front]
            if marks[tag] == .open { break }
            if marks.removeValue(forKey: tag) != nil {
                last = tag
                covered += 1
            }
            front += 1
        }
        if let last { commands.append(.acknowledge(last, multiple: covered > 1)) }
        if covered < acknowledged.count {
            for tag in acknowledged.sorted() where marks.removeValue(forKey: tag) != nil {
                commands.append(.acknowledge(tag, multiple: false))
            }
        }
        acknowledged.removeAll(keepingCapacity: true)
        if front > 1024, front * 2 > order.count {
            order.removeFirst(front)
            front = 0
        }
        return commands
    }
}
