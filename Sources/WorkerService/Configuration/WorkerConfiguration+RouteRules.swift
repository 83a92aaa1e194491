/// What has to hold of fallbacks. Pure: the file alone decides.
extension WorkerConfiguration {
    func routeMistakes() -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        for (name, model) in models.inOrder {
            let path = ["models", name, "fallbacks"]
            found += unknownFallbacks(model.fallbacks, at: path)
            for (index, fallback) in model.fallbacks.enumerated() {
                guard let way = way(back: name, from: fallback) else { continue }
                let text = ([name] + way).joined(separator: " -> ")
                found.append(mistake(at: path + ["[\(index)]"], "leads back to where it begins: \(text)"))
            }
            if model.fallbackOn.isEmpty, !model.fallbacks.isEmpty {
                found.append(
                    mistake(.warning, at: ["models", name, "fallback_on"], "is empty, so no fallback is ever asked"))
            }
        }
        for (name, profile) in profiles.inOrder {
            let path = ["profiles", name, "fallbacks"]
            found += unknownFallbacks(profile.fallbacks ?? [], at: path)
            if let model = profile.model, let index = profile.fallbacks?.firstIndex(of: model) {
                found.append(mistake(at: path + ["[\(index)]"], "is the profile's own model"))
            }
        }
        for (name, gateway) in gateways.inOrder where gateway.coolDown > gateway.coolDownMost {
            found.append(mistake(at: ["gateways", name, "cool_down"], "is longer than cool_down_most"))
        }
        return found
    }

    private func unknownFallbacks(_ names: [String], at path: [String]) -> [ConfigurationMistake] {
        var known: Set<String> = []
        return names.enumerated().compactMap { index, name in
            let place = path + ["[\(index)]"]
            if models[name] == nil {
                return mistake(
                    at: place,
                    "there is no [models.\(TOMLText.key(name))]" + Spelling.hint(for: name, among: models.keys))
            }
            return known.insert(name).inserted ? nil : mistake(at: place, "`\(name)` stands here twice")
        }
    }

    /// The fallbacks from `start` to `goal`, both included; `nil` where none leads there.
    private func way(back goal: String, from start: String) -> [String]? {
        var seen: Set<String> = []
        func search(_ name: String) -> [String]? {
            if name == goal { return [name] }
            guard seen.insert(name).inserted else { return nil }
            for next in models[name]?.fallbacks ?? [] {
                if let rest = search(next) { return [name] + rest }
            }
            return nil
        }
        return search(start)
    }
}
