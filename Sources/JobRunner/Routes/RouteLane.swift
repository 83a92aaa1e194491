internal import ChatModel

/// What a rate limit, a cool-down and a limit of requests belong to.
struct RouteKey: Hashable, Sendable {
    var gateway: String
    var model: String

    init(gateway: String, model: String) {
        self.gateway = gateway
        self.model = model
    }

    init(_ route: ModelRoute) { self.init(gateway: route.gateway, model: route.upstreamModel) }
}

/// The models that may answer a job that waits, in their order: before which gates it stands.
struct RouteLane: Hashable, Sendable {
    var keys: [RouteKey]
    /// One that cools down is passed over, as long as there is another.
    var skipsCooling = true
    /// And one that a 429 has shut.
    var skipsLimited = true
}
