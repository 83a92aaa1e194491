extension ScenarioFile: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            optional: "seed", \.seed, .integer(0...Int(Int32.max)),
            "The same seed and the same requests: the same faults.",
            example: "7"),
        .init(
            optional: "tokens", \.tokens, .integer(0...10_000_000, of: "tokens"),
            "Of an answer; max_tokens is respected.",
            example: "200"),
        .init(
            optional: "rate", \.rate, .number(0...1_000_000, of: "tokens a second"),
            "Of each stream; 0 is as fast as it goes.", example: "30"),
        .init(
            optional: "first_token", \.firstToken, .duration(.zero ... .seconds(3_600)),
            "From the request to its first token.", example: "\"200ms\""),
        .init(
            optional: "close_after_answer", \.closesAfterAnswer, .flag, "Closes with 1000 after each answer.",
            example: "true"),
        .init(
            "mix", \.mix, .shares, "By written fault, the percent of connections, upgrades or requests that it meets."),
    ]

    static let sections: [ConfigurationSection<Self>] = [
        .init("tls", \.tls, "Speaks wss:// and https://."),
        .init(
            each: "rules", \.rulesByName, named: .label, example: "slow",
            "Whom something meets; the first rule that fits decides."),
    ]

    static var documentKeyNames: [[String]] { keyNames() }
}

extension ScenarioFile.TLS: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            optional: "certificate_file", \.certificateFile, .file,
            "PEM, the chain; wrong names and expired ones are yours to make.", example: "\"certificate.pem\""),
        .init(optional: "key_file", \.keyFile, .file, "PEM.", example: "\"key.pem\""),
        .init("version", \.version, .choice(), "\"1.1\": nothing newer than TLS 1.1."),
    ]

    static var documentKeyNames: [[String]] { ScenarioFile.keyNames() }
}

extension ScenarioFile.Rule: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            optional: "model", \.model, .text("name, or what it begins with and *", longest: 128), "The model.",
            example: "\"gpt-*\""),
        .init(optional: "user", \.user, .text("text", longest: 1_024), "The request's user.", example: "\"job-1\""),
        .init(
            optional: "text", \.text, .text("text", longest: 1_024), "Stands in the last user message.",
            example: "\"boom\""),
        .init(
            optional: "requests", \.requests, .ordinals,
            "Which of those that fit, counted from 1 for each rule.", example: "\"2-4\""),
        .init("percent", \.percent, .number(0...100, of: "percent"), "How many of them, by chance."),
        .init(
            "fault", \.fault, .text("fault, or none", longest: 200), "What happens.", isRequired: true,
            example: "\"cut:20\""),
    ]

    static var documentKeyNames: [[String]] { ScenarioFile.keyNames() }
}

extension ConfigurationValue<ClosedRange<Int>> {
    /// `3`, `"3"` or `"2-4"`, from 1.
    fileprivate static var ordinals: Self {
        Self(summary: "number or range, such as 1 or \"2-4\"") { node, report in
            switch node {
            case .integer(let number) where number >= 1: return number...number
            case .string(let text):
                let bounds = text.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
                if bounds.count <= 2, let first = bounds.first ?? nil, let last = bounds.last ?? nil, first >= 1,
                    first <= last
                {
                    return first...last
                }
            default: break
            }
            report([], "must be a number from 1, or a range such as \"2-4\"")
            return nil
        } render: {
            "\"\($0.lowerBound)-\($0.upperBound)\""
        }
    }
}

extension ConfigurationValue<[String: Double]> {
    /// A table of percents.
    fileprivate static var shares: Self {
        Self(summary: "table: \"FAULT\" = percent") { node, report in
            guard case .table(let entries) = node else {
                report([], "must be a table: below [mix], lines such as \"cut:20\" = 5")
                return nil
            }
            var shares: [String: Double] = [:]
            for entry in entries {
                switch entry.value {
                case .integer(let number) where (0...100).contains(number): shares[entry.key] = Double(number)
                case .number(let number) where (0...100).contains(number): shares[entry.key] = number
                default: report([entry.key], "must be a percent, 0 to 100")
                }
            }
            return shares
        } render: { shares in
            "{ " + shares.map { "\(TOMLText.key($0)) = \($1)" }.sorted().joined(separator: ", ") + " }"
        }
    }
}
