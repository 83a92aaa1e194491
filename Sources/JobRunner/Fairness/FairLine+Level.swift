extension FairLine {
    /// The customers of one level, taking turns: deficit round robin (Shreedhar, Varghese 1995), charged by tokens.
    ///
    /// Each customer has a balance. Who has credit starts one job and goes to the end of the turns; who is overdrawn
    /// waits. When nobody with credit may start, a round begins: all get a quantum times their weight, as often as it
    /// takes until somebody who may start has credit. So no place stays empty because of balances.
    struct Level {
        /// Tokens that a round gives to a customer of weight 1: two usual answers.
        static var quantum: Int { 1_024 }
        /// A debt is never longer than so many rounds: jobs that were much dearer than estimated do not shut a customer
        /// out for minutes.
        static var longestDebt: Int { 64 }

        /// One customer at this level.
        private struct Account {
            var lanes: [Lane: LaneQueue<ID>] = [:]
            var waiting = 0
            /// A round's worth for a customer of this weight.
            var grant = Level.quantum
            /// In tokens, as it was at `round`. The rounds since are added when somebody looks.
            var balance = 0
            var round = 0

            /// Credit is not saved up: rounds add up to one grant, and to no more.
            mutating func settle(at current: Int) {
                let rounds = min(current - round, Level.longestDebt + 1)
                balance = min(balance + rounds * grant, max(balance, grant))
                round = current
            }

            mutating func charge(_ tokens: Int) { balance = max(balance - tokens, -Level.longestDebt * grant) }

            /// Whoever waits for nothing comes back with no more than a newcomer has.
            mutating func leave() { balance = min(balance, grant) }

            var roundsToCredit: Int { balance > 0 ? 0 : -balance / grant + 1 }
        }

        /// By the customer's slot.
        private var accounts: [Account] = []
        /// Customers with jobs waiting and credit, in their turn.
        private var ready = SlotList()
        /// Customers with jobs waiting and none.
        private var spent = SlotList()
        /// Whoever had the last turn and stands at the end of `ready` for it.
        private var lastServed: Int?
        private var round = 0

        /// A newcomer, who has a grant.
        mutating func open(_ slot: Int, weight: Int) {
            while accounts.count <= slot { accounts.append(Account()) }
            let grant = Self.quantum * weight
            accounts[slot] = Account(grant: grant, balance: grant, round: round)
            if lastServed == slot { lastServed = nil }
        }

        mutating func enter(_ entry: LaneQueue<ID>.Entry, of slot: Int, lane: Lane, hadPlace: Bool) {
            if hadPlace {
                accounts[slot].lanes[lane, default: LaneQueue()].appendReturned(entry)
            } else {
                accounts[slot].lanes[lane, default: LaneQueue()].append(entry)
            }
            accounts[slot].waiting += 1
            guard accounts[slot].waiting == 1 else { return }
            accounts[slot].settle(at: round)
            if accounts[slot].balance <= 0 {
                spent.append(slot)
            } else if let lastServed, ready.last == lastServed {
                // Whoever had the last turn comes after all who are here before the next one.
                ready.insert(slot, before: lastServed)
            } else {
                ready.append(slot)
            }
        }

        mutating func remove(ticket: Int, of slot: Int, lane: Lane) {
            accounts[slot].lanes[lane]?.remove(ticket: ticket)
            removed(from: lane, of: slot)
        }

        /// Takes the first job of the lane, which must have one, and charges for it.
        mutating func take(from lane: Lane, of slot: Int, cost: Int) -> ID? {
            guard let entry = accounts[slot].lanes[lane]?.popFirst() else { return nil }
            accounts[slot].settle(at: round)
            accounts[slot].charge(cost)
            if ready.remove(slot) || spent.remove(slot) {
                if accounts[slot].balance > 0 { ready.append(slot) } else { spent.append(slot) }
            }
            lastServed = slot
            removed(from: lane, of: slot)
            return entry.id
        }

        /// What a job cost beyond what it was charged at its start; below zero, what comes back.
        mutating func charge(_ tokens: Int, to slot: Int) {
            accounts[slot].settle(at: round)
            accounts[slot].charge(tokens)
            if accounts[slot].waiting == 0 {
                accounts[slot].leave()
            } else if accounts[slot].balance > 0 {
                if spent.remove(slot) { ready.append(slot) }
            } else if ready.remove(slot) {
                spent.append(slot)
            }
        }

        /// Whose turn it is, and at which gate. It stays so until `take`.
        mutating func turn(
            among customers: [Customer], gates: inout [Lane: Bool], isOpen: (Lane) -> Bool
        ) -> (slot: Int, lane: Lane)? {
            var slot = ready.first
            while let candidate = slot {
                if let lane = lane(of: candidate, among: customers, gates: &gates, isOpen: isOpen) {
                    return (candidate, lane)
                }
                slot = ready.next(after: candidate)
            }
            var best: (slot: Int, lane: Lane, rounds: Int)?
            slot = spent.first
            while let candidate = slot {
                slot = spent.next(after: candidate)
                accounts[candidate].settle(at: round)
                let rounds = accounts[candidate].roundsToCredit
                if let best, best.rounds <= rounds { continue }
                if let lane = lane(of: candidate, among: customers, gates: &gates, isOpen: isOpen) {
                    best = (candidate, lane, rounds)
                }
            }
            guard let best else { return nil }
            begin(rounds: best.rounds)
            return (best.slot, best.lane)
        }

        /// The gate behind which the customer's earliest job waits that may start.
        private func lane(
            of slot: Int, among customers: [Customer], gates: inout [Lane: Bool], isOpen: (Lane) -> Bool
        ) -> Lane? {
            guard customers[slot].running < customers[slot].cap else { return nil }
            var best: (lane: Lane, ticket: Int)?
            for (lane, queue) in accounts[slot].lanes {
                guard let first = queue.first else { continue }
                if let best, best.ticket < first.ticket { continue }
                let answer = gates[lane] ?? isOpen(lane)
                gates[lane] = answer
                if answer { best = (lane, first.ticket) }
            }
            return best?.lane
        }

        private mutating func begin(rounds: Int) {
            round += rounds
            var slot = spent.first
            while let candidate = slot {
                slot = spent.next(after: candidate)
                accounts[candidate].settle(at: round)
                guard accounts[candidate].balance > 0 else { continue }
                spent.remove(candidate)
                ready.append(candidate)
            }
        }

        private mutating func removed(from lane: Lane, of slot: Int) {
            if accounts[slot].lanes[lane]?.isEmpty == true { accounts[slot].lanes[lane] = nil }
            accounts[slot].waiting -= 1
            guard accounts[slot].waiting == 0 else { return }
            ready.remove(slot)
            spent.remove(slot)
            accounts[slot].settle(at: round)
            accounts[slot].leave()
        }
    }
}
