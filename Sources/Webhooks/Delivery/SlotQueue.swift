/// Who may post now and who waits, first come first served. Pure; tickets are numbered by the caller.
struct SlotQueue {
    private let limit: Int
    private var used = 0
    private var isClosed = false
    /// In the order of arrival; those before `head` are gone.
    private var waiting: [UInt64?] = []
    private var head = 0

    init(limit: Int) {
        self.limit = max(1, limit)
    }

    enum Entry: Equatable {
        case granted
        case wait
        case refused
    }

    mutating func enter(_ ticket: UInt64) -> Entry {
        guard !self.isClosed else { return .refused }
        guard self.used >= self.limit else {
            self.used += 1
            return .granted
        }
        self.waiting.append(ticket)
        return .wait
    }

    /// A slot is free again.
    /// - Returns: the ticket that has it now.
    mutating func leave() -> UInt64? {
        while self.head < self.waiting.count {
            let ticket = self.waiting[self.head]
            self.head += 1
            if let ticket {
                self.compact()
                return ticket
            }
        }
        self.compact()
        self.used -= 1
        return nil
    }

    /// - Returns: whether the ticket was still waiting.
    mutating func cancel(_ ticket: UInt64) -> Bool {
        guard let index = self.waiting[self.head...].firstIndex(of: ticket) else { return false }
        self.waiting[index] = nil
        return true
    }

    /// - Returns: the tickets that waited and will not be granted.
    mutating func close() -> [UInt64] {
        self.isClosed = true
        defer {
            self.waiting = []
            self.head = 0
        }
        return self.waiting[self.head...].compactMap(\.self)
    }

    private mutating func compact() {
        guard self.head > 64, self.head * 2 > self.waiting.count else { return }
        self.waiting.removeFirst(self.head)
        self.head = 0
    }
}
