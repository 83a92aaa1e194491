/// Puts the choices of streamed chunks together into those of a `chat.completion`, for answers that are more than the
/// plain text of one choice: several choices, tool calls, reasoning, anything unknown.
///
/// What OpenAI's SDKs do: choices by `index`; tool calls by their `index`, where only the first fragment need carry
/// id and name, and `arguments` are appended. Unknown text is appended, an unknown array grows, any other value is
/// replaced.
struct ChoiceAccumulator {
    private struct Choice {
        var message: [JSONValue.Member] = []
        var reason: JSONValue = .null
        var others: [JSONValue.Member] = []
    }

    /// Highest `index` of a choice or tool call; OpenAI allows 128 of each.
    private static let maximumIndex = 1023
    private var choices: [Int: Choice] = [:]

    mutating func appendText(_ text: String, to index: Int) {
        Self.merge(JSONValue.Member("content", .string(text)), into: &choices[index, default: Choice()].message)
    }

    mutating func setRole(_ role: String, of index: Int) {
        Self.replace("role", .string(role), in: &choices[index, default: Choice()].message)
    }

    mutating func setReason(_ reason: String, of index: Int) {
        choices[index, default: Choice()].reason = .string(reason)
    }

    /// - Parameter chunk: a message that the scanner has accepted.
    mutating func append(chunk: UnsafeRawBufferPointer) {
        guard let root = try? JSONValue(scanned: chunk), let parts = root["choices"]?.arrayValue else { return }
        for part in parts {
            let index = part["index"]?.integerValue ?? 0
            guard (0...Self.maximumIndex).contains(index), case .object(let members) = part else { continue }
            var choice = choices[index] ?? Choice()
            for member in members where !member.value.isNull {
                switch member.key {
                // The message is made here; one that stands beside the deltas would be there twice.
                case "index", "message": break
                case "finish_reason": choice.reason = member.value
                case "delta":
                    guard case .object(let delta) = member.value else { continue }
                    for change in delta where !change.value.isNull { Self.merge(change, into: &choice.message) }
                default: Self.merge(member, into: &choice.others)
                }
            }
            choices[index] = choice
        }
    }

    var value: JSONValue {
        .array(
            choices.sorted { $0.key < $1.key }.map { index, choice in
                var message = choice.message
                if !message.contains(where: { $0.key == "role" }) {
                    message.insert(.init("role", .string("assistant")), at: 0)
                }
                if !message.contains(where: { $0.key == "content" }) { message.append(.init("content", .null)) }
                let members: [JSONValue.Member] = [
                    .init("index", .integer(index)), .init("message", .object(message)),
                    .init("finish_reason", choice.reason),
                ]
                return .object(members + choice.others)
            })
    }

    private static func merge(_ change: JSONValue.Member, into members: inout [JSONValue.Member]) {
        guard let index = members.firstIndex(where: { $0.key == change.key }) else {
            let value = change.key == "tool_calls" ? toolCalls(.array([]), change.value) : change.value
            members.append(.init(change.key, value))
            return
        }
        let old = members[index].value
        switch (change.key, old, change.value) {
        case ("role", _, _): members[index].value = change.value
        case ("tool_calls", _, _): members[index].value = toolCalls(old, change.value)
        case (_, .string(let text), .string(let more)): members[index].value = .string(text + more)
        case (_, .array(let values), .array(let more)): members[index].value = .array(values + more)
        case (_, .object(var inner), .object(let changes)):
            for change in changes where !change.value.isNull { merge(change, into: &inner) }
            members[index].value = .object(inner)
        default: members[index].value = change.value
        }
    }

    /// Tool calls as they stand in a message: in the order of their index, which itself is left out.
    private static func toolCalls(_ old: JSONValue, _ fragments: JSONValue) -> JSONValue {
        var calls = old.arrayValue ?? []
        for fragment in fragments.arrayValue ?? [] {
            guard case .object(let members) = fragment else { continue }
            let index = fragment["index"]?.integerValue ?? calls.count
            guard (0...maximumIndex).contains(index) else { continue }
            while calls.count <= index { calls.append(.object([])) }
            guard case .object(var call) = calls[index] else { continue }
            for member in members where member.key != "index" && !member.value.isNull {
                // An id or type that is repeated in each fragment is the same, not longer.
                if member.key == "id" || member.key == "type" {
                    replace(member.key, member.value, in: &call)
                } else {
                    merge(member, into: &call)
                }
            }
            calls[index] = .object(call)
        }
        return .array(calls)
    }

    private static func replace(_ key: String, _ value: JSONValue, in members: inout [JSONValue.Member]) {
        if let index = members.firstIndex(where: { $0.key == key }) {
            members[index].value = value
        } else {
            members.insert(.init(key, value), at: 0)
        }
    }
}
