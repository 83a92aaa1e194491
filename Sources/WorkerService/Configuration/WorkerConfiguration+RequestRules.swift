/// What has to hold of how models want to be asked. Pure: the file alone decides.
extension WorkerConfiguration {
    func requestMistakes() -> [ConfigurationMistake] {
        var found: [ConfigurationMistake] = []
        for (name, model) in models.inOrder {
            let path = ["models", name]
            if model.limitName == nil, Self.thinks(model.upstream ?? name) {
                found.append(
                    mistake(
                        .warning, at: path,
                        "models of this name refuse max_tokens, as OpenAI has them: max_tokens_name = "
                            + "\"max_completion_tokens\" spares each worker a refused request an hour"))
            }
            if let time = model.firstChunkTimeout, time > limits.totalTimeout {
                let total = DurationText.render(limits.totalTimeout)
                found.append(
                    mistake(
                        .warning, at: path + ["first_chunk_timeout"],
                        "never comes: limits.total_timeout (\(total)) is shorter"))
            }
            var known: Set<String> = []
            for (index, parameter) in model.dropped.enumerated() where !known.insert(parameter).inserted {
                found.append(mistake(at: path + ["drop", "[\(index)]"], "`\(parameter)` stands here twice"))
            }
        }
        return found
    }

    /// A reasoning model of OpenAI's, by its name: o1, o3-mini, openai/gpt-5, gpt-5.1-2025-11-13.
    private static func thinks(_ model: String) -> Bool {
        let name = model.split(separator: "/").last.map { $0.lowercased() } ?? ""
        let family = name.prefix { $0 != "-" && $0 != ":" }
        let isO = family.count == 2 && family.first == "o" && family.last.map { ("1"..."9").contains($0) } == true
        return isO || name == "gpt-5" || name.hasPrefix("gpt-5-") || name.hasPrefix("gpt-5.")
    }
}
