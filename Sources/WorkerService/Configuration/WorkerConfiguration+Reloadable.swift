extension WorkerConfiguration {
    /// What a reload takes of a newer configuration: all that can change in a running worker and holds together with what
    /// only a restart brings. A model of a new gateway, for example, waits for that gateway, and so does a profile that names
    /// the model; the rest is taken. What waits is what still differs (`changes(to:)`).
    ///
    /// - Throws: what does not hold together even if everything in question stays as it is.
    func reloadable(from new: WorkerConfiguration) throws(ConfigurationErrors) -> WorkerConfiguration {
        var next = reloaded(from: new)
        var kept: Set<ReloadPart> = []
        while true {
            let conflicts = next.conflicts(between: self, and: new)
            if conflicts.isEmpty { return next }
            let keptBefore = kept
            for part in Set(conflicts.map { next.part(of: $0.key) }) {
                // First what a mistake is about stays as it was, then all of its kind, then there is no way.
                guard let part = [part, part.whole].first(where: { !keptBefore.contains($0) }) else {
                    throw ConfigurationErrors(path: new.source.path, mistakes: conflicts)
                }
                kept.insert(part)
                part.keep(self, in: &next)
            }
        }
    }

    /// What does not hold together in this mixture of two configurations.
    private func conflicts(
        between old: WorkerConfiguration, and new: WorkerConfiguration
    ) -> [ConfigurationMistake] {
        var found = ruleMistakes().errors
        // A model that names no gateway means the only one of its own file, not the only one that this worker has.
        for (name, model) in models.inOrder where old.models[name] != model {
            guard let meant = new.gatewayName(of: model), gatewayName(of: model) != meant else { continue }
            found.append(mistake(at: ["models", name, "gateway"], "means `\(meant)`, which a restart brings"))
        }
        return found
    }

    /// - Parameter key: dotted, as a mistake has it.
    private func part(of key: String) -> ReloadPart {
        func isIn(_ path: [String]) -> Bool {
            let place = Self.dotted(path)
            return key == place || key.hasPrefix(place + ".")
        }
        if let name = models.keys.first(where: { isIn(["models", $0]) }) { return .model(name) }
        if let name = profiles.keys.first(where: { isIn(["profiles", $0]) }) { return .profile(name) }
        return .section(String(key.prefix { $0 != "." && $0 != "[" }))
    }
}

/// A part of a configuration that a reload can leave as it was.
private enum ReloadPart: Hashable {
    case model(String)
    case profile(String)
    case section(String)

    /// What is left as it was if leaving this part alone was not enough.
    var whole: ReloadPart {
        switch self {
        case .model: .section("models")
        case .profile: .section("profiles")
        case .section: self
        }
    }

    func keep(_ old: WorkerConfiguration, in next: inout WorkerConfiguration) {
        switch self {
        case .model(let name): next.models[name] = old.models[name]
        case .profile(let name): next.profiles[name] = old.profiles[name]
        case .section("models"):
            // They name one another.
            next.models = old.models
            next.profiles = old.profiles
            next.jobs.defaultGateway = old.jobs.defaultGateway
        case .section("profiles"): next.profiles = old.profiles
        case .section("gateways"): next.gateways = old.gateways
        case .section("jobs"): next.jobs = old.jobs
        case .section("limits"): next.limits = old.limits
        case .section("retry"): next.retry = old.retry
        case .section("replies"): next.replies = old.replies
        case .section("budgets"): next.budgets = old.budgets
        case .section("webhooks"): next.webhooks = old.webhooks
        // Nothing else is taken by a reload.
        case .section: break
        }
    }
}
