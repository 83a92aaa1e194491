/// Which names are looked up next, on few threads that nothing can stop. Pure; callers are numbered by whoever asks, the
/// time is passed in.
///
/// - A name is looked up once at a time, for all who ask for it meanwhile.
/// - No customer has more than `customerThreads` look-ups under way, so that one customer's dead names never hold all threads.
/// - A name that could not be resolved is not asked for again for a moment.
/// - What nobody waits for any more is not looked up.
struct LookUpLine {
    struct Policy: Sendable, Equatable {
        var threads = 8
        var customerThreads = 2
        /// Names that may wait for a thread.
        var mostWaiting = 4_096
        var failureTime = Duration.seconds(5)
        /// Failures that are remembered.
        var mostFailures = 1_024
    }

    enum Arrival: Equatable {
        /// The name did not resolve a moment ago; the system's words.
        case failed(String)
        /// Look it up; `finished` has to follow.
        case start
        /// It is being looked up for somebody else.
        case join
        case wait
        /// Too many wait.
        case full
    }

    private struct Name {
        /// In the order of their arrival, with their customers.
        var callers: [(id: UInt64, customer: String)] = []
        /// Whose look-up it is, once a thread has taken it.
        var run: String?
    }

    private let policy: Policy
    private var names: [String: Name] = [:]
    private var nameOfCaller: [UInt64: String] = [:]
    /// Names that wait, in order.
    private var waiting: [String] = []
    private var running: [String: Int] = [:]
    private var threadsInUse = 0
    private var failures: [String: (reason: String, until: ContinuousClock.Instant)] = [:]

    init(policy: Policy = Policy()) { self.policy = policy }

    var counts: (waiting: Int, running: Int, failures: Int) { (waiting.count, threadsInUse, failures.count) }

    mutating func arrive(_ id: UInt64, _ name: String, customer: String, now: ContinuousClock.Instant) -> Arrival {
        if let failure = failures[name] {
            guard failure.until <= now else { return .failed(failure.reason) }
            failures[name] = nil
        }
        if names[name] != nil {
            names[name]?.callers.append((id, customer))
            nameOfCaller[id] = name
            if names[name]?.run != nil { return .join }
            // It waits because of another customer; with this one it may be due.
            guard hasRoom(for: customer) else { return .wait }
            waiting.removeAll { $0 == name }
            begin(name, customer)
            return .start
        }
        let mayStart = hasRoom(for: customer)
        guard mayStart || waiting.count < policy.mostWaiting else { return .full }
        names[name] = Name(callers: [(id, customer)])
        nameOfCaller[id] = name
        guard mayStart else {
            waiting.append(name)
            return .wait
        }
        begin(name, customer)
        return .start
    }

    /// A thread is done with a name.
    ///
    /// - Parameter failure: the system's words where it did not resolve.
    /// - Returns: who waited for it, and the names to look up next with those who wait for them.
    mutating func finished(
        _ name: String, failure: String?, now: ContinuousClock.Instant
    ) -> (callers: [UInt64], next: [String]) {
        guard let customer = names[name]?.run else { return ([], []) }
        let callers = names.removeValue(forKey: name)?.callers.map(\.id) ?? []
        for id in callers { nameOfCaller[id] = nil }
        threadsInUse -= 1
        running[customer] = running[customer].flatMap { $0 > 1 ? $0 - 1 : nil }
        if let failure { remember(name, failure, now: now) }
        return (callers, startNext())
    }

    /// Its caller waits no more.
    mutating func cancel(_ id: UInt64) {
        guard let name = nameOfCaller.removeValue(forKey: id) else { return }
        names[name]?.callers.removeAll { $0.id == id }
        guard names[name]?.run == nil, names[name]?.callers.isEmpty == true else { return }
        names[name] = nil
        waiting.removeAll { $0 == name }
    }

    /// Whether the name that this caller asks for is being looked up.
    func isUnderWay(_ id: UInt64) -> Bool { nameOfCaller[id].flatMap { names[$0]?.run } != nil }

    func callers(of name: String) -> [UInt64] { names[name]?.callers.map(\.id) ?? [] }

    private func hasRoom(for customer: String) -> Bool {
        threadsInUse < policy.threads && (running[customer] ?? 0) < policy.customerThreads
    }

    private mutating func begin(_ name: String, _ customer: String) {
        names[name]?.run = customer
        running[customer, default: 0] += 1
        threadsInUse += 1
    }

    private mutating func startNext() -> [String] {
        var next: [String] = []
        var index = 0
        while threadsInUse < policy.threads, index < waiting.count {
            let name = waiting[index]
            guard let caller = names[name]?.callers.first(where: { hasRoom(for: $0.customer) }) else {
                index += 1
                continue
            }
            waiting.remove(at: index)
            begin(name, caller.customer)
            next.append(name)
        }
        return next
    }

    private mutating func remember(_ name: String, _ reason: String, now: ContinuousClock.Instant) {
        if failures.count >= policy.mostFailures {
            failures = failures.filter { $0.value.until > now }
            if failures.count >= policy.mostFailures { failures = [:] }
        }
        failures[name] = (reason, now + policy.failureTime)
    }
}
