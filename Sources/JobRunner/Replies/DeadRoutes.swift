/// Where replies cannot be published, for a while: one look-up instead of another closed connection for each job that is to be
/// answered there. Pure; who publishes has it alone.
struct DeadRoutes {
    struct Route: Hashable {
        var exchange: String
        var routingKey: String
    }

    /// Nanoseconds.
    static let memory: UInt64 = 60_000_000_000
    static let most = 1_000

    private var routes: [Route: (fault: Undeliverable, until: UInt64)] = [:]
    /// When the last of them is forgotten.
    private var latest: UInt64 = 0

    var isEmpty: Bool { routes.isEmpty }

    /// - Parameter now: in nanoseconds of the monotonic clock.
    mutating func insert(_ route: Route, _ fault: Undeliverable, now: UInt64) {
        if routes.count >= Self.most { routes = routes.filter { $0.value.until > now } }
        if routes.count >= Self.most { routes = [:] }
        latest = now &+ Self.memory
        routes[route] = (fault, latest)
    }

    /// Forgets all of them once the last is old: from then on nothing is looked up.
    mutating func forget(now: UInt64) {
        if now >= latest { routes = [:] }
    }

    mutating func fault(of route: Route, now: UInt64) -> Undeliverable? {
        guard let entry = routes[route] else { return nil }
        if entry.until > now { return entry.fault }
        routes[route] = nil
        return nil
    }
}
