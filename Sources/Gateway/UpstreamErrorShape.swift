internal import ChatModel

/// Where the parts of an error stand in the shapes in which gateways send them. Reads only; `UpstreamError` says what they mean.
struct UpstreamErrorShape {
    /// A word, and whether it was sent as a text.
    struct Word {
        var word: String
        var isText: Bool
    }

    /// From the inside out: the object of the error, those around it, and what a text of theirs holds as JSON once more.
    private let layers: [JSONValue]
    /// A text in place of the object.
    private let bareText: String?

    init(_ document: JSONValue) { self.init(document, isNested: false) }

    private init(_ document: JSONValue, isNested: Bool) {
        var outer = document
        // Google's OpenAI-compatible answers are lists of one.
        if case .array(let elements) = outer { outer = elements.first ?? .null }
        let inner = [
            outer["error"], outer["errors"]?.arrayValue?.first, outer["base_resp"], outer["detail"]?.arrayValue?.first,
        ]
        .lazy.compactMap { $0 }.first { !$0.isNull }
        var layers = [inner, outer].compactMap { $0 }.filter { if case .object = $0 { true } else { false } }
        bareText = outer.stringValue ?? inner?.stringValue
        if !isNested {
            // Proxies send what they were told as a text.
            let texts =
                layers.flatMap { [$0["message"], $0["metadata"]?["raw"]] }.compactMap { $0?.stringValue }
                + [bareText].compactMap { $0 }
            for text in texts where text.utf8.first == 0x7B || text.utf8.first == 0x5B {
                if let value = try? JSONValue(parsing: Array(text.utf8)) {
                    layers += Self(value, isNested: true).layers
                }
            }
        }
        self.layers = layers
    }

    /// The value of a key in the innermost layer that has it.
    subscript(key: String) -> JSONValue? { all(key).first }

    func all(_ key: String) -> [JSONValue] { layers.compactMap { $0[key] }.filter { !$0.isNull } }

    /// It is an error beyond doubt, whatever its words are.
    var saysError: Bool {
        guard let outer = layers.first(where: { $0["error"].map { !$0.isNull } ?? false }) ?? layers.last else {
            return false
        }
        return outer["error"].map { !$0.isNull } ?? false
            || layers.contains { $0["object"]?.stringValue == "error" || $0["type"]?.stringValue == "error" }
    }

    /// Google's `INVALID_ARGUMENT`, AWS' `ValidationException`, the type of Text Generation Inference.
    var statusWord: JSONValue? {
        ["status", "error_type", "__type"].lazy.flatMap { all($0) }.first { value in
            value.stringValue.map { Int($0) == nil } ?? false
        }
    }

    /// What may name the kind of the error.
    var words: [Word] {
        let inner = ["inner_error", "innererror"].flatMap { all($0) }.compactMap { $0["code"] }
        let named = ["code", "type", "status", "error_type", "__type", "error_code", "status_code"].flatMap { all($0) }
        return (named + inner + all("reason")).compactMap { value in
            switch value {
            case .string(let text): Word(word: text, isText: true)
            case .number(let number): Word(word: number, isText: false)
            default: nil
            }
        }
    }

    /// Sentences for people. They may hold what must not be passed on.
    var messages: [String] {
        let keys = ["message", "msg", "detail", "error", "status_msg", "error_msg", "error_description", "title"]
        let texts = keys.flatMap { all($0) }.compactMap(\.stringValue)
        // xAI says in `code` what others say in the message.
        let codes = all("code").compactMap(\.stringValue).filter { $0.utf8.contains(0x20) }
        return (bareText.map { [$0] } ?? []) + texts + codes + all("metadata").compactMap { $0["raw"]?.stringValue }
    }

    /// Google's `RetryInfo`.
    var retryDelay: String? {
        details.lazy.compactMap { $0["retryDelay"]?.stringValue }.first
    }

    /// Google's `QuotaFailure` of a limit of the day: `GenerateRequestsPerDayPerProjectPerModel`.
    var isOverDailyQuota: Bool {
        details.flatMap { $0["violations"]?.arrayValue ?? [] }.contains { violation in
            violation["quotaId"]?.stringValue?.lowercased().contains("perday") ?? false
        }
    }

    private var details: [JSONValue] { all("details").flatMap { $0.arrayValue ?? [] } }

    /// A member of a `headers` object; HTTP's names ignore case.
    func header(_ name: String) -> String? {
        let objects = all("headers") + all("metadata").compactMap { $0["headers"] }
        return objects.lazy.compactMap { headers -> String? in
            guard case .object(let members) = headers else { return nil }
            guard let value = members.first(where: { $0.key.lowercased() == name })?.value else { return nil }
            if case .number(let number) = value { return number }
            return value.stringValue
        }.first
    }
}
