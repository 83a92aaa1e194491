/// Who may post now: a lane for each endpoint, with its breaker, so that no endpoint hurts another. Pure; tickets are
/// numbered by the caller, the time is passed in.
///
/// - A lane starts with one post at a time, and may have one more for each answer, up to `endpointConcurrency`; a failure
///   takes it back to one.
/// - A post that has no answer within a moment gives its slot of `concurrency` to others and goes on in one of
///   `slowConcurrency`: endpoints that never answer hold those, and the fast ones never wait for them, even where many of the
///   former come one after another.
/// - One that takes longer than `slowAfter` makes its endpoint a slow one, for which nearly nobody waits here.
/// - What cannot start soon does not wait here, where it would use up the worker's prefetch: it goes back to the broker.
struct EndpointLanes {
    struct Policy: Sendable, Equatable {
        var concurrency = 64
        var slowConcurrency = 1_000
        var endpointConcurrency = 8
        /// Tasks of one endpoint that may wait here.
        var endpointWaiting = 64
        /// Lanes that are remembered; a customer can name endless URLs.
        var mostLanes = 10_000
        /// A lane where nothing happens for so long is forgotten, whatever its breaker says.
        var idleTime = Duration.seconds(3_600)
        var breaker = CircuitBreaker.Policy()
    }

    enum Action: Equatable {
        case start(UInt64)
        /// Back to the broker for so long; no try is spent.
        case away(UInt64, Duration)
    }

    enum Arrival: Equatable {
        case start
        case wait
        case away(Duration)
        case refused
    }

    private struct Lane {
        var breaker: CircuitBreaker
        var allowed = 1
        var running = 0
        /// Posts that take longer than `slowAfter`.
        var late = 0
        var waiting: [UInt64] = []
        var isReady = false
        var lastUse: ContinuousClock.Instant

        var isQuiet: Bool { running == 0 && waiting.isEmpty }
        /// Nothing would be forgotten with it.
        var isIdle: Bool { isQuiet && breaker.state == .closed && breaker.failuresInARow == 0 }
    }

    private struct Post {
        var endpoint: EndpointID
        var isProbe: Bool
        /// It goes on in a slot of `slowConcurrency`.
        var isSlow = false
        var isLate = false
    }

    /// How long a task is away whose endpoint has no room for it.
    static let busyWait = Duration.seconds(5)

    private let policy: Policy
    private var lanes: [EndpointID: Lane] = [:]
    private var posts: [UInt64: Post] = [:]
    private var waitingFor: [UInt64: EndpointID] = [:]
    /// Lanes that have somebody waiting and room for him, in the order of their turns.
    private var ready: [EndpointID] = []
    private var fast = 0
    private var slow = 0
    private var sweepAt: Int
    private var isClosed = false

    init(policy: Policy) {
        self.policy = policy
        sweepAt = min(1_024, policy.mostLanes)
    }

    var underWay: (fast: Int, slow: Int) { (fast, slow) }
    func isUnderWay(_ ticket: UInt64) -> Bool { posts[ticket] != nil }
    var laneCount: Int { lanes.count }
    func breaker(of endpoint: EndpointID) -> CircuitBreaker? { lanes[endpoint]?.breaker }

    mutating func arrive(_ ticket: UInt64, at endpoint: EndpointID, now: ContinuousClock.Instant) -> Arrival {
        guard !isClosed else { return .refused }
        sweep(now: now)
        var lane = lanes[endpoint] ?? Lane(breaker: CircuitBreaker(policy: policy.breaker), lastUse: now)
        lane.lastUse = now
        defer { lanes[endpoint] = lane }
        if let wait = lane.breaker.shut(now: now) { return .away(wait) }
        if fast < policy.concurrency, lane.running < lane.allowed, lane.waiting.isEmpty {
            begin(ticket, endpoint, &lane, now: now)
            return .start
        }
        let room = lane.late > 0 || lane.breaker.failuresInARow > 0 ? lane.allowed : policy.endpointWaiting
        guard lane.waiting.count < min(room, policy.endpointWaiting) else { return .away(Self.busyWait) }
        lane.waiting.append(ticket)
        waitingFor[ticket] = endpoint
        makeReady(endpoint, &lane)
        return .wait
    }

    /// A post has taken longer than it may hold a slot.
    mutating func yieldSlot(_ ticket: UInt64, now: ContinuousClock.Instant) -> [Action] {
        guard posts[ticket]?.isSlow == false, slow < policy.slowConcurrency else { return [] }
        posts[ticket]?.isSlow = true
        slow += 1
        fast -= 1
        return startReady(now: now)
    }

    /// A post takes longer than `slowAfter`.
    mutating func becameSlow(_ ticket: UInt64, now: ContinuousClock.Instant) -> [Action] {
        guard let post = posts[ticket], !post.isLate, var lane = lanes[post.endpoint] else { return [] }
        posts[ticket]?.isLate = true
        lane.late += 1
        let actions = shorten(&lane, to: lane.allowed, for: Self.busyWait)
        lanes[post.endpoint] = lane
        return actions + yieldSlot(ticket, now: now)
    }

    /// - Returns: what happens next, and the breaker's state where it has changed.
    mutating func ended(
        _ ticket: UInt64, _ verdict: CircuitBreaker.Verdict, now: ContinuousClock.Instant
    ) -> (actions: [Action], change: CircuitBreaker.State?) {
        guard let post = posts.removeValue(forKey: ticket) else { return ([], nil) }
        if post.isSlow { slow -= 1 } else { fast -= 1 }
        guard var lane = lanes[post.endpoint] else { return (startReady(now: now), nil) }
        lane.running -= 1
        if post.isLate { lane.late -= 1 }
        switch verdict {
        case .success: lane.allowed = min(lane.allowed + 1, policy.endpointConcurrency)
        case .failure: lane.allowed = 1
        case .none: break
        }
        let change = lane.breaker.ended(verdict, wasProbe: post.isProbe, now: now)
        var actions: [Action] = []
        if let wait = lane.breaker.shut(now: now) {
            actions = shorten(&lane, to: 0, for: wait)
        } else if verdict == .failure {
            actions = shorten(&lane, to: lane.allowed, for: Self.busyWait)
        }
        makeReady(post.endpoint, &lane)
        lanes[post.endpoint] = lane
        return (actions + startReady(now: now), change)
    }

    /// - Returns: whether the ticket was still waiting.
    mutating func cancel(_ ticket: UInt64) -> Bool {
        guard let endpoint = waitingFor.removeValue(forKey: ticket) else { return false }
        lanes[endpoint]?.waiting.removeAll { $0 == ticket }
        return true
    }

    /// - Returns: the tickets that waited and will not start.
    mutating func close() -> [UInt64] {
        isClosed = true
        defer { waitingFor = [:] }
        for endpoint in lanes.keys { lanes[endpoint]?.waiting = [] }
        return Array(waitingFor.keys)
    }

    private mutating func begin(
        _ ticket: UInt64, _ endpoint: EndpointID, _ lane: inout Lane, now: ContinuousClock.Instant
    ) {
        let isProbe = lane.breaker.admit(now: now) == .probe
        posts[ticket] = Post(endpoint: endpoint, isProbe: isProbe)
        lane.running += 1
        fast += 1
    }

    private mutating func makeReady(_ endpoint: EndpointID, _ lane: inout Lane) {
        guard !lane.isReady, !lane.waiting.isEmpty, lane.running < lane.allowed else { return }
        lane.isReady = true
        ready.append(endpoint)
    }

    /// Lanes in turn, one post each.
    private mutating func startReady(now: ContinuousClock.Instant) -> [Action] {
        var actions: [Action] = []
        while fast < policy.concurrency, !ready.isEmpty {
            let endpoint = ready.removeFirst()
            guard var lane = lanes[endpoint] else { continue }
            lane.isReady = false
            if let wait = lane.breaker.shut(now: now) {
                actions += shorten(&lane, to: 0, for: wait)
            } else if let ticket = lane.waiting.first, lane.running < lane.allowed {
                lane.waiting.removeFirst()
                waitingFor[ticket] = nil
                begin(ticket, endpoint, &lane, now: now)
                actions.append(.start(ticket))
                makeReady(endpoint, &lane)
            }
            lanes[endpoint] = lane
        }
        return actions
    }

    private mutating func shorten(_ lane: inout Lane, to count: Int, for wait: Duration) -> [Action] {
        let dropped = lane.waiting.dropFirst(count)
        for ticket in dropped { waitingFor[ticket] = nil }
        lane.waiting = Array(lane.waiting.prefix(count))
        return dropped.map { .away($0, wait) }
    }

    /// Forgets endpoints of which there is nothing to remember, then those where nothing happened for long; where they are
    /// too many all the same, those that were quiet for longest. A breaker that is forgotten is closed: the endpoint is asked
    /// once more, and opens another.
    private mutating func sweep(now: ContinuousClock.Instant) {
        guard lanes.count >= sweepAt else { return }
        lanes = lanes.filter { !$0.value.isIdle && !($0.value.isQuiet && now - $0.value.lastUse > policy.idleTime) }
        if lanes.count >= policy.mostLanes {
            let quiet = lanes.filter { $0.value.isQuiet }.sorted { $0.value.lastUse < $1.value.lastUse }
            for (endpoint, _) in quiet.prefix(lanes.count - policy.mostLanes * 3 / 4) { lanes[endpoint] = nil }
        }
        sweepAt = max(min(1_024, policy.mostLanes), min(lanes.count * 2, policy.mostLanes))
        // Only lanes with posts are left: the next sweep is not at each arrival.
        if lanes.count >= sweepAt { sweepAt = lanes.count + 1_024 }
    }
}
