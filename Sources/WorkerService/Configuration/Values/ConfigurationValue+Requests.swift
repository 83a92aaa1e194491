import ChatModel

extension ConfigurationValue<String> {
    /// A top-level member of requests that may be left out.
    static var parameterName: Self {
        text("name of a parameter, as temperature", longest: 64).checked { name in
            RequestMembers.problem(ofDropping: name)
        }
    }
}

extension ConfigurationValue<ExtraMembers> {
    /// A table, or the same as JSON in quotes.
    static var requestMembers: Self {
        Self(summary: "table, or JSON object in quotes") { node, report in
            let value: JSONValue
            switch node {
            case .string(let text):
                do throws(JSONError) {
                    value = try JSONValue(parsing: text.utf8)
                } catch {
                    report([], "is not JSON: \(error)")
                    return nil
                }
            case .table:
                guard let read = RequestMembers.json(node, at: [], report) else { return nil }
                value = read
            default:
                report(
                    [],
                    "must be a table, as { reasoning_effort = \"low\" }, or a JSON object in quotes, not \(node.kind)")
                return nil
            }
            guard let members = ExtraMembers(value) else {
                report([], "must be a JSON object, as '{\"reasoning_effort\": \"low\"}'")
                return nil
            }
            let problems = members.names.compactMap { name in
                RequestMembers.problem(ofAdding: name).map { (name, $0) }
            }
            for (name, problem) in problems { report([name], problem) }
            return problems.isEmpty ? members : nil
        } render: { members in
            TOMLText.quoted(String(decoding: members.value.serialized(), as: UTF8.self))
        }
    }
}

/// Members of requests that a configuration may name.
private enum RequestMembers {
    /// What the worker says itself, or has to know of a job.
    private static let own: Set<String> = ["model", "messages", "stream", "n", "job"]

    static func problem(ofDropping name: String) -> String? {
        own.contains(name) ? "`\(name)` cannot be left out" : nil
    }

    static func problem(ofAdding name: String) -> String? {
        switch name {
        case "stream_options": "is put in by the worker itself: include_usage of the gateway"
        case "max_tokens", "max_completion_tokens": "cannot be put in here; max_tokens of a profile can"
        case _ where own.contains(name): "cannot be put in here: it is the job's, or the worker's own"
        default: nil
        }
    }

    /// TOML as JSON; `nil` after a report.
    static func json(_ node: TOMLNode, at path: [String], _ report: ConfigurationReport) -> JSONValue? {
        switch node {
        case .string(let text): return .string(text)
        case .integer(let number): return .integer(number)
        case .flag(let flag): return .bool(flag)
        case .number(let number):
            if number.isFinite { return .number("\(number)") }
            report(path, "is a number that JSON does not have")
        case .date: report(path, "is a date, which JSON does not have; write it as a text, in quotes")
        case .array(let nodes):
            let values = nodes.enumerated().map { json($1, at: path + ["[\($0)]"], report) }
            return values.contains { $0 == nil } ? nil : .array(values.compactMap { $0 })
        case .table(let entries):
            let values = entries.map { ($0.key, json($0.value, at: path + [$0.key], report)) }
            if values.contains(where: { $0.1 == nil }) { return nil }
            return .object(values.compactMap { key, value in value.map { JSONValue.Member(key, $0) } })
        }
        return nil
    }
}
