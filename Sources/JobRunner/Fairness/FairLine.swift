/// The line of jobs that wait for a place in this worker, and who of them is next.
///
/// - Levels are strict: while a job of level 0 may start, none of level 1 does.
/// - Within a level customers take turns, so that tokens are shared by weight (`Level`), however many jobs each has.
/// - Within a customer and level jobs go in the order of their arrival, but one does not wait for another that stands
///   behind a shut gate: each names its gate, its lane.
/// - A customer at his cap is passed over and keeps his turn.
///
/// A value without clock or chance; whoever owns it guards it with a lock, and counts the free places.
struct FairLine<ID: Hashable, Element, Lane: Hashable> {
    /// What the line knows of a customer who has jobs that wait or run. Any other is forgotten, with his debts.
    struct Customer {
        var name: String
        var cap: Int
        var waiting = 0
        var running = 0
        var estimate: CostEstimate
    }

    private struct Waiting {
        var element: Element
        var slot: Int
        var level: Int
        var lane: Lane
        var ticket: Int
    }

    private struct Running {
        var slot: Int
        var level: Int
        /// What was charged at the start.
        var charged: Int
    }

    private let policy: FairnessPolicy
    private var levels = [Level](repeating: Level(), count: 3)
    private var waiting: [ID: Waiting] = [:]
    private var running: [ID: Running] = [:]
    /// By slot; those in `freeSlots` are nobody's.
    private var customers: [Customer] = []
    private var slots: [String: Int] = [:]
    private var freeSlots: [Int] = []
    private var lastTicket = 0
    /// The first guess for a customer who is new.
    private var estimate = CostEstimate()

    init(policy: FairnessPolicy) { self.policy = policy }

    // MARK: In and out

    /// A job gets in line.
    /// - Parameters:
    ///   - priority: 0 is first, 2 last.
    ///   - lane: the gate it has to pass, such as its model's.
    /// - Returns: false where a job of this id waits or runs already; nothing happens then.
    @discardableResult
    mutating func enter(_ element: Element, id: ID, customer: String, priority: Int, lane: Lane) -> Bool {
        enter(element, id: id, customer: customer, priority: priority, lane: lane, hadPlace: false)
    }

    /// A job that gave its place back gets in line again: before all of its customer's jobs that never had one, and
    /// behind those that came back earlier. One that still holds its place gives it back by this.
    @discardableResult
    mutating func reenter(_ element: Element, id: ID, customer: String, priority: Int, lane: Lane) -> Bool {
        finished(id, tokens: 0)
        return enter(element, id: id, customer: customer, priority: priority, lane: lane, hadPlace: true)
    }

    /// A job leaves the line without having started. `nil`: it does not wait here.
    @discardableResult
    mutating func remove(_ id: ID) -> Element? {
        guard let job = waiting.removeValue(forKey: id) else { return nil }
        levels[job.level].remove(ticket: job.ticket, of: job.slot, lane: job.lane)
        customers[job.slot].waiting -= 1
        forgetIfIdle(job.slot)
        return job.element
    }

    /// Empties the line; what runs goes on. Returns who waited: the higher levels first, the earlier ones first.
    mutating func removeAll() -> [Element] {
        let all = waiting.sorted { ($0.value.level, $0.value.ticket) < ($1.value.level, $1.value.ticket) }
        return all.compactMap { remove($0.key) }
    }

    // MARK: Places

    /// A place is free: takes the next job out of the line and counts it as running, until `finished`. To be called
    /// until it says `nil` or no place is free, whenever a job came or ended and whenever a gate opens.
    /// - Parameter isOpen: asked at most once for each lane, and only where a job could start if the answer is yes.
    /// - Returns: `nil` where no job may start now.
    mutating func next(isOpen: (Lane) -> Bool) -> Element? {
        guard !waiting.isEmpty else { return nil }
        var gates: [Lane: Bool] = [:]
        for level in levels.indices {
            if let turn = levels[level].turn(among: customers, gates: &gates, isOpen: isOpen) {
                return start(turn.slot, turn.lane, level)
            }
        }
        return nil
    }

    /// A job gives its place back, and pays: what it produced, at least one token. An unknown id is passed over.
    mutating func finished(_ id: ID, tokens: Int) {
        guard let job = running.removeValue(forKey: id) else { return }
        // The gateway's number; none is believed that could overflow a sum.
        let tokens = min(max(0, tokens), 1 << 30)
        levels[job.level].charge(max(1, tokens) - job.charged, to: job.slot)
        // A job without output does not tell what one with output costs.
        if tokens > 0 {
            estimate.observe(tokens)
            customers[job.slot].estimate.observe(tokens)
        }
        customers[job.slot].running -= 1
        forgetIfIdle(job.slot)
    }

    // MARK: Counts

    var waitingCount: Int { waiting.count }
    var runningCount: Int { running.count }

    /// Those who have jobs here, in no order.
    var activeCustomers: [Customer] { slots.values.map { customers[$0] } }

    func counts(of customer: String) -> (waiting: Int, running: Int) {
        guard let slot = slots[customer] else { return (0, 0) }
        return (customers[slot].waiting, customers[slot].running)
    }

    // MARK: -

    private mutating func enter(
        _ element: Element, id: ID, customer: String, priority: Int, lane: Lane, hadPlace: Bool
    ) -> Bool {
        guard waiting[id] == nil, running[id] == nil else { return false }
        let slot = slot(of: customer)
        let level = min(max(0, priority), levels.count - 1)
        lastTicket += 1
        // Those that come back are numbered below all others.
        let ticket = hadPlace ? Int.min + lastTicket : lastTicket
        waiting[id] = Waiting(element: element, slot: slot, level: level, lane: lane, ticket: ticket)
        customers[slot].waiting += 1
        levels[level].enter(.init(id: id, ticket: ticket), of: slot, lane: lane, hadPlace: hadPlace)
        return true
    }

    private mutating func start(_ slot: Int, _ lane: Lane, _ level: Int) -> Element? {
        let cost = customers[slot].estimate.tokens
        guard let id = levels[level].take(from: lane, of: slot, cost: cost),
            let job = waiting.removeValue(forKey: id)
        else { return nil }
        customers[slot].waiting -= 1
        customers[slot].running += 1
        running[id] = Running(slot: slot, level: level, charged: cost)
        return job.element
    }

    private mutating func slot(of name: String) -> Int {
        if let slot = slots[name] { return slot }
        let customer = Customer(name: name, cap: policy.cap(of: name), estimate: estimate)
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            customers[slot] = customer
        } else {
            slot = customers.count
            customers.append(customer)
        }
        slots[name] = slot
        let weight = policy.weight(of: name)
        for level in levels.indices { levels[level].open(slot, weight: weight) }
        return slot
    }

    private mutating func forgetIfIdle(_ slot: Int) {
        guard customers[slot].waiting == 0, customers[slot].running == 0 else { return }
        slots[customers[slot].name] = nil
        freeSlots.append(slot)
    }
}
