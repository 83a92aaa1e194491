/// The kinds of failure, before the first output, for which a job goes on to the next of its models.
public enum FallbackCause: String, Sendable, CaseIterable {
    /// No connection, an answer that never begins, 5xx, no key that is accepted; or it cools down after such failures.
    case unavailable
    /// 429, or its gate is still shut after one.
    case rateLimited = "rate_limited"
    /// The messages are longer than the model takes.
    case contextTooLong = "context_too_long"
    /// The gateway refuses what was asked, or the model what it would say.
    case contentFilter = "content_filter"
    /// The account with the gateway has no credit or quota left (402, and others that say so).
    case outOfCredit = "out_of_credit"
    /// The gateway does not have the model, or has it no more (404, and others that say so).
    case modelGone = "model_gone"
}

/// A model that may answer a job.
public struct RouteOption: Sendable, Equatable {
    /// The name in `[models.NAME]`.
    public var model: String
    public var route: ModelRoute

    public init(model: String, route: ModelRoute) {
        self.model = model
        self.route = route
    }
}

/// Why another model answers than the one that a job names.
public struct Fallback: Sendable, Equatable {
    /// The model that it names.
    public var from: String
    public var cause: FallbackCause

    public init(from: String, cause: FallbackCause) {
        self.from = from
        self.cause = cause
    }
}

extension Job {
    /// All that may answer, in the order in which they are asked.
    public var options: [RouteOption] { [RouteOption(model: model, route: route)] + fallbacks }

    /// The same job, to be asked of one of its options.
    ///
    /// - Parameter cause: why it is not the first.
    public func rerouted(to option: Int, because cause: FallbackCause) -> Job {
        guard fallbacks.indices.contains(option - 1) else { return self }
        var job = self
        job.route = fallbacks[option - 1].route
        job.content.reroute(to: job.route)
        job.fallback = Fallback(from: model, cause: cause)
        return job
    }
}

extension JobRules {
    /// Who is asked after `model`: its fallbacks (or the profile's own), each followed by its own, nobody twice.
    func fallbacks(of model: String, _ route: ModelRoute, profile: Profile?) -> [RouteOption] {
        let names = profile?.fallbacks ?? route.fallbacks
        guard !names.isEmpty else { return [] }
        var found: [RouteOption] = []
        var known: Set<String> = [model]
        func add(_ names: [String]) {
            for name in names where known.insert(name).inserted {
                guard let route = self.route(for: name) else { continue }
                found.append(RouteOption(model: name, route: route))
                add(route.fallbacks)
            }
        }
        add(names)
        return found
    }
}
