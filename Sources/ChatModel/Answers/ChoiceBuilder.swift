/// Puts the choices of an answer together into those of a `chat.completion`: its strings, which are copied as they stand,
/// and what only opaque chunks have.
///
/// Of the latter: an unknown list grows, elements of the same `index` are one (OpenRouter's `reasoning_details`), objects
/// are merged member by member, strings in them are appended, and any other value is replaced.
struct ChoiceBuilder {
    struct Call {
        let index: Int32
        var arguments: [UInt8] = []
        /// Members that no other provider has.
        var others: [JSONValue.Member] = []
    }

    struct Choice {
        let index: Int32
        var strings: [(name: String, raw: [UInt8])] = []
        var calls: [Call] = []
        var others: [JSONValue.Member] = []
        var logprobs: JSONValue?

        /// Every name of a member of the message.
        var names: [String] { ["role", "content", "tool_calls"] + strings.map(\.name) + others.map(\.key) }
    }

    private var choices: [Choice] = []

    var sorted: [Choice] { choices.sorted { $0.index < $1.index } }

    mutating func begin(_ index: Int32) { _ = place(index) }

    mutating func begin(call: Int32, choice: Int32) { _ = self.call(call, place(choice)) }

    /// - Parameter raw: contents of a JSON string, of which nothing is cut in two.
    mutating func append(_ raw: UnsafeRawBufferPointer, to name: String, of choice: Int32) {
        let choice = place(choice)
        if let place = choices[choice].strings.firstIndex(where: { $0.name == name }) {
            choices[choice].strings[place].raw.append(contentsOf: raw)
        } else {
            choices[choice].strings.append((name, Array(raw)))
        }
    }

    mutating func append(arguments raw: UnsafeRawBufferPointer, of call: Int32, choice: Int32) {
        let choice = place(choice)
        let call = self.call(call, choice)
        choices[choice].calls[call].arguments.append(contentsOf: raw)
    }

    private mutating func place(_ index: Int32) -> Int {
        if let place = choices.firstIndex(where: { $0.index == index }) { return place }
        choices.append(Choice(index: index))
        return choices.count - 1
    }

    private mutating func call(_ index: Int32, _ choice: Int) -> Int {
        if let place = choices[choice].calls.firstIndex(where: { $0.index == index }) { return place }
        choices[choice].calls.append(Call(index: index))
        return choices[choice].calls.count - 1
    }

    // MARK: Opaque chunks

    /// - Parameter message: one that the scanner has accepted.
    mutating func append(opaque message: UnsafeRawBufferPointer) {
        guard case .chunk(let chunk) = FrameScanner.scan(message) else { return }
        var call: Int32 = 0
        for part in chunk.parts {
            switch part.kind {
            case .content: append(mended: message[part.value], part, to: "content")
            case .thinking: append(mended: message[part.value], part, to: "reasoning_content")
            case .member:
                append(mended: message[part.value], part, to: JSONText.string(message[part.key]))
            case .call:
                call = max(part.number, 0)
                begin(call: call, choice: part.choice)
            case .arguments:
                Self.mended(message[part.value], part).withUnsafeBytes {
                    append(arguments: $0, of: call, choice: part.choice)
                }
            case .argumentsObject:
                Self.quoted(message[part.value]).withUnsafeBytes {
                    append(arguments: $0, of: call, choice: part.choice)
                }
            default: break
            }
        }
        append(membersOf: message, chunk)
    }

    /// What is no string of a message.
    mutating func append(membersOf message: UnsafeRawBufferPointer) {
        guard case .chunk(let chunk) = FrameScanner.scan(message) else { return }
        append(membersOf: message, chunk)
    }

    private mutating func append(membersOf message: UnsafeRawBufferPointer, _ chunk: ScannedChunk) {
        let known = Set(chunk.parts.filter { $0.kind == .member }.map { JSONText.string(message[$0.key]) })
        for part in (try? JSONValue(scanned: message))?["choices"]?.arrayValue ?? [] {
            let index = part["index"]?.integerValue ?? part["index"]?.stringValue.flatMap { Int($0) } ?? 0
            guard index >= 0 else { continue }
            merge(part, known, into: place(Int32(clamping: min(index, Int(FrameScanner.maximumChoice)))))
        }
    }

    private mutating func append(
        mended raw: UnsafeRawBufferPointer, _ part: ScannedChunk.Part, to name: String
    ) {
        Self.mended(raw, part).withUnsafeBytes { append($0, to: name, of: part.choice) }
    }

    /// With escapes it may hold half of a pair, which must not find the other half in the next piece.
    private static func mended(_ raw: UnsafeRawBufferPointer, _ part: ScannedChunk.Part) -> [UInt8] {
        part.hasEscapes ? quoted(Array(JSONText.string(raw).utf8)) : Array(raw)
    }

    private static func quoted(_ text: some Sequence<UInt8>) -> [UInt8] {
        var output: [UInt8] = []
        JSONText.appendQuoted(text, to: &output)
        return Array(output.dropFirst().dropLast())
    }

    /// What the parts do not hold: lists, objects, log probabilities.
    private mutating func merge(_ part: JSONValue, _ known: Set<String>, into choice: Int) {
        if let logprobs = part["logprobs"], !logprobs.isNull {
            choices[choice].logprobs = Self.merged(choices[choice].logprobs, logprobs)
        }
        guard case .object(let delta)? = part["delta"] ?? part["message"] else { return }
        for member in delta where !member.value.isNull {
            switch (member.key, member.value) {
            case ("role", _): break
            case ("tool_calls", let calls): mergeCalls(calls, into: choice)
            case ("content", .array(let parts)):
                let others = parts.filter { $0["text"] == nil && $0["thinking"] == nil && $0.stringValue == nil }
                if !others.isEmpty {
                    Self.merge(.init("content_parts", .array(others)), into: &choices[choice].others)
                }
            case ("content", _): break
            case (_, .string) where known.contains(member.key): break
            case (_, .string), (_, .object), (_, .array): Self.merge(member, into: &choices[choice].others)
            default: break
            }
        }
    }

    private mutating func mergeCalls(_ calls: JSONValue, into choice: Int) {
        for fragment in calls.arrayValue ?? [calls] {
            guard case .object(let members) = fragment else { continue }
            let place = call(Int32(clamping: max(fragment["index"]?.integerValue ?? 0, 0)), choice)
            for member in members where !member.value.isNull {
                switch member.key {
                case "index", "id", "type": break
                case "function":
                    guard case .object(let function) = member.value else { continue }
                    let rest = function.filter { $0.key != "name" && $0.key != "arguments" && !$0.value.isNull }
                    if !rest.isEmpty {
                        Self.merge(.init("function", .object(rest)), into: &choices[choice].calls[place].others)
                    }
                default: Self.merge(member, into: &choices[choice].calls[place].others)
                }
            }
        }
    }

    // MARK: Merging

    private static func merge(_ change: JSONValue.Member, into members: inout [JSONValue.Member]) {
        guard let place = members.firstIndex(where: { $0.key == change.key }) else {
            members.append(.init(change.key, merged(nil, change.value)))
            return
        }
        if Self.labels.contains(change.key) {
            members[place].value = change.value
        } else {
            members[place].value = merged(members[place].value, change.value)
        }
    }

    /// Repeated, they are the same and not longer.
    private static let labels: Set<String> = ["id", "type", "name", "format", "index", "role", "status", "signature"]

    private static func merged(_ old: JSONValue?, _ new: JSONValue) -> JSONValue {
        switch (old, new) {
        case (.string(let text), .string(let more)): return .string(text + more)
        case (_, .array(let more)): return .array(merged(old?.arrayValue ?? [], more))
        case (.object(var members), .object(let changes)):
            for change in changes where !change.value.isNull { merge(change, into: &members) }
            return .object(members)
        default: return new
        }
    }

    private static func merged(_ old: [JSONValue], _ more: [JSONValue]) -> [JSONValue] {
        var elements = old
        for element in more {
            let index = element["index"]?.integerValue
            if let index, let place = elements.lastIndex(where: { $0["index"]?.integerValue == index }) {
                elements[place] = merged(elements[place], element)
            } else {
                elements.append(element)
            }
        }
        return elements
    }
}

// MARK: - As JSON

extension ChoiceBuilder.Choice {
    func appendContent(to output: inout [UInt8]) {
        if let content = strings.first(where: { $0.name == "content" }) {
            Self.append(content.raw, to: &output)
        } else if strings.isEmpty, calls.isEmpty, others.isEmpty {
            output.append("\"\"")
        } else {
            output.append("null")
        }
    }

    /// Appends `,"name":…` for all that the message has beside role and content.
    ///
    /// - Parameter table: has names and ids of the calls.
    func appendMembers(_ table: ToolCallTable, to output: inout [UInt8]) {
        for string in strings where string.name != "content" {
            output.append(0x2C)
            JSONText.appendQuoted(string.name.utf8, to: &output)
            output.append(0x3A)
            Self.append(string.raw, to: &output)
        }
        for member in others where !strings.contains(where: { $0.name == member.key }) && member.key != "tool_calls" {
            output.append(0x2C)
            JSONText.appendQuoted(member.key.utf8, to: &output)
            output.append(0x3A)
            member.value.append(to: &output)
        }
        guard !calls.isEmpty else { return }
        output.append(",\"tool_calls\":[")
        for (place, call) in calls.sorted(by: { $0.index < $1.index }).enumerated() {
            if place > 0 { output.append(0x2C) }
            append(call, table.calls.first { $0.choice == index && $0.index == call.index }, to: &output)
        }
        output.append(0x5D)
    }

    private func append(_ call: ChoiceBuilder.Call, _ known: ToolCallTable.Call?, to output: inout [UInt8]) {
        output.append(0x7B)
        if let id = known?.id, !id.isEmpty {
            output.append("\"id\":")
            Self.append(id, to: &output)
            output.append(0x2C)
        }
        output.append("\"type\":")
        let type = known?.type ?? []
        Self.append(type.isEmpty ? Array("function".utf8) : type, to: &output)
        let isFunction = type.isEmpty || type.elementsEqual("function".utf8) || known?.name.isEmpty == false
        if isFunction {
            output.append(",\"function\":{\"name\":")
            Self.append(known?.name ?? [], to: &output)
            output.append(",\"arguments\":")
            Self.append(call.arguments, to: &output)
            for member in call.others where member.key == "function" {
                guard case .object(let rest) = member.value else { continue }
                for member in rest { Self.append(member, to: &output) }
            }
            output.append(0x7D)
        }
        for member in call.others where member.key != "function" { Self.append(member, to: &output) }
        output.append(0x7D)
    }

    private static func append(_ member: JSONValue.Member, to output: inout [UInt8]) {
        output.append(0x2C)
        JSONText.appendQuoted(member.key.utf8, to: &output)
        output.append(0x3A)
        member.value.append(to: &output)
    }

    private static func append(_ raw: [UInt8], to output: inout [UInt8]) {
        output.append(0x22)
        output.append(contentsOf: raw)
        output.append(0x22)
    }
}
