/// How many bytes of bodies a consumer holds, and which messages wait on the broker until there is room. Pure; the
/// consumer's thread's.
///
/// A body that would be one too many is not kept when it comes: its delivery stays unacknowledged, which keeps the broker
/// from sending more, and is given back to its queue when enough was settled. One is always taken, however large it is, so
/// that every message has its turn.
struct HeldBodies {
    let limit: UInt64
    /// Bytes of what is held, by delivery.
    private var held: [UInt64: UInt64] = [:]
    /// Those that were not kept, in the order in which they came, and their sizes.
    private var skipped: [(tag: UInt64, size: UInt64)] = []
    private(set) var bytes: UInt64 = 0

    init(limit: UInt64) { self.limit = limit }

    var skippedCount: Int { skipped.count }

    /// The largest body that is to be kept now.
    var room: UInt64 { held.isEmpty ? .max : limit - min(bytes, limit) }

    /// A delivery has come, with its body.
    mutating func took(_ tag: UInt64, size: UInt64) {
        held[tag] = size
        bytes += size
    }

    /// A delivery has come whose body was not kept.
    mutating func skipped(_ tag: UInt64, size: UInt64) { skipped.append((tag, size)) }

    /// It was acknowledged or given back.
    mutating func settled(_ tag: UInt64) {
        if let size = held.removeValue(forKey: tag) { bytes -= size }
    }

    /// Deliveries to give back now: the oldest of those that were not kept, as many as there is room for when they return.
    /// Half of the limit must be free first, so that they come back in numbers.
    mutating func takeReturnable() -> [UInt64] {
        guard !skipped.isEmpty, held.isEmpty || bytes <= limit / 2 else { return [] }
        var (room, count) = (limit - min(bytes, limit), 0)
        while count < skipped.count, skipped[count].size <= room || count == 0 && held.isEmpty {
            room -= min(room, skipped[count].size)
            count += 1
        }
        defer { skipped.removeFirst(count) }
        return skipped.prefix(count).map(\.tag)
    }
}
