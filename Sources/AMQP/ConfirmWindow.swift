/// Accounts for what was published and not yet confirmed. Pure, and free of allocation in the steady state: sequence
/// numbers index a ring, and a confirm of many is one step over its range.
///
/// Confirms may come out of order (a quorum queue is slower than a classic one). So that one message that is never
/// confirmed cannot stop all others, the oldest places move to a short side list when the ring is full.
struct ConfirmWindow {
    private enum Place {
        static let free: UInt8 = 0
        static let silent: UInt8 = 1
        static let notifying: UInt8 = 2
    }

    private struct Straggler {
        var sequence: UInt64
        var token: UInt64
        var notify: Bool
    }

    /// A `mandatory` message that may still be returned.
    private struct Mandatory {
        var sequence: UInt64
        var token: UInt64
        var fingerprint: UInt64
        var isReturned = false
    }

    let size: Int
    private var places: [UInt8]
    private var tokens: [UInt64]
    private let mask: UInt64
    /// The oldest sequence number that the ring holds, and the next to be published. The broker counts from 1.
    private var base: UInt64 = 1
    private var next: UInt64 = 1
    /// Outstanding in the ring, and how many of these want to be told.
    private var inRing = 0
    private var notifying = 0
    private var stragglers: [Straggler] = []
    private var mandatory: [Mandatory] = []

    init(size: Int) {
        let size = min(max(size, 1), 1 << 20)
        self.size = size
        var ring = 2
        while ring < 2 * size { ring *= 2 }
        places = [UInt8](repeating: Place.free, count: ring)
        tokens = [UInt64](repeating: 0, count: ring)
        mask = UInt64(ring - 1)
    }

    /// Published and neither confirmed nor refused.
    var outstanding: Int { inRing + stragglers.count }
    /// How many more may be published.
    var capacity: Int { size - outstanding }

    /// Every sequence number up to this one is settled (the broker counts from 1 on each connection).
    var settledThrough: UInt64 { (stragglers.first?.sequence ?? base) - 1 }
    /// The number of the message published last, 0 for none.
    var lastPublished: UInt64 { next - 1 }

    /// Takes a place; the caller made sure that `capacity` is over 0.
    /// - Parameter fingerprint: for a `mandatory` message, what its return is known by.
    mutating func published(token: UInt64, notify: Bool, fingerprint: UInt64? = nil) {
        if next - base > mask { makeRoom() }
        let index = Int(next & mask)
        places[index] = notify ? Place.notifying : Place.silent
        tokens[index] = token
        inRing += 1
        if notify { notifying += 1 }
        if let fingerprint {
            mandatory.append(Mandatory(sequence: next, token: token, fingerprint: fingerprint))
        }
        next += 1
    }

    /// The broker confirmed `tag` (with `multiple`, everything up to it). Appends the tokens that are to be told.
    /// False where it confirmed what was never published.
    mutating func acknowledged(_ tag: UInt64, multiple: Bool, into told: inout [UInt64]) -> Bool {
        settle(tag, multiple: multiple, all: false, into: &told)
    }

    /// The broker refused `tag`: like `acknowledged`, but every token is told.
    mutating func refused(_ tag: UInt64, multiple: Bool, into told: inout [UInt64]) -> Bool {
        settle(tag, multiple: multiple, all: true, into: &told)
    }

    /// A message came back. Returns arrive in the order of publishing, each before the confirm of its message; those
    /// of one fingerprint cannot be told apart and need not be. `nil` where nothing such is outstanding.
    mutating func returned(fingerprint: UInt64) -> UInt64? {
        guard let index = mandatory.firstIndex(where: { $0.fingerprint == fingerprint && !$0.isReturned }) else {
            return nil
        }
        mandatory[index].isReturned = true
        return mandatory[index].token
    }

    /// The tokens of all that is outstanding, oldest first, also of those that do not want to be told.
    var outstandingTokens: [UInt64] {
        var tokens = stragglers.map(\.token)
        var sequence = base
        while sequence != next {
            if places[Int(sequence & mask)] != Place.free { tokens.append(self.tokens[Int(sequence & mask)]) }
            sequence += 1
        }
        return tokens
    }

    /// The connection is gone: the tokens that wanted to be told, oldest first. The window starts anew.
    mutating func drain() -> [UInt64] {
        var lost = stragglers.filter(\.notify).map(\.token)
        var sequence = base
        while sequence != next {
            if places[Int(sequence & mask)] == Place.notifying { lost.append(tokens[Int(sequence & mask)]) }
            sequence += 1
        }
        (base, next, inRing, notifying) = (1, 1, 0, 0)
        stragglers = []
        mandatory = []
        return lost
    }

    private mutating func settle(_ tag: UInt64, multiple: Bool, all: Bool, into told: inout [UInt64]) -> Bool {
        // Tag 0 with `multiple` means "all that is outstanding" (AMQP 0-9-1, 1.8.3.13).
        let tag = tag == 0 && multiple ? next - 1 : tag
        guard tag < next, tag > 0 || multiple else { return false }
        if !stragglers.isEmpty { settleStragglers(tag, multiple: multiple, all: all, into: &told) }
        if !mandatory.isEmpty { mandatory.removeAll { multiple ? $0.sequence <= tag : $0.sequence == tag } }
        guard tag >= base else { return true }
        if !multiple {
            settlePlace(tag, all: all, into: &told)
            while base < next, places[Int(base & mask)] == Place.free { base += 1 }
            return true
        }
        let count = Int(tag - base) + 1
        if notifying == 0, !all, inRing == Int(next - base) {
            // No holes and nobody to tell. What lies before `base` is written anew before it is read again.
            inRing -= count
            base = tag + 1
            return true
        }
        while base <= tag {
            settlePlace(base, all: all, into: &told)
            base += 1
        }
        while base < next, places[Int(base & mask)] == Place.free { base += 1 }
        return true
    }

    private mutating func settlePlace(_ sequence: UInt64, all: Bool, into told: inout [UInt64]) {
        let index = Int(sequence & mask)
        let place = places[index]
        guard place != Place.free else { return }
        places[index] = Place.free
        inRing -= 1
        if place == Place.notifying { notifying -= 1 }
        if all || place == Place.notifying { told.append(tokens[index]) }
    }

    private mutating func settleStragglers(_ tag: UInt64, multiple: Bool, all: Bool, into told: inout [UInt64]) {
        stragglers.removeAll { straggler in
            guard multiple ? straggler.sequence <= tag : straggler.sequence == tag else { return false }
            if all || straggler.notify { told.append(straggler.token) }
            return true
        }
    }

    /// Moves the front of a full ring aside until a quarter of it is free again (settled places cost nothing).
    private mutating func makeRoom() {
        let goal = next - (mask + 1) / 4 * 3
        while base < goal {
            let index = Int(base & mask)
            let place = places[index]
            if place != Place.free {
                stragglers.append(
                    Straggler(sequence: base, token: tokens[index], notify: place == Place.notifying))
                places[index] = Place.free
                inRing -= 1
                if place == Place.notifying { notifying -= 1 }
            }
            base += 1
        }
        while base < next, places[Int(base & mask)] == Place.free { base += 1 }
    }
}
