import ChatModel

/// What a gateway's own error says, in any of the shapes seen in the field: `{"error": {…}}`,
/// `{"type": "error", "code", "message"}`, `{"type": "error", "status", "error": {…, "headers"}}`.
///
/// Its `message` is not kept: gateways repeat keys and prompts in it.
struct UpstreamError: Equatable {
    var status: Int?
    var type: String?
    var code: String?
    var param: String?
    var retryAfter: Duration?
    /// The gateway's `x-should-retry`.
    var shouldRetry: Bool?
    var kind: Kind?

    init() {}

    /// It has words of an error, which no answer has.
    var saysError: Bool { type != nil || code != nil }

    /// - Parameters:
    ///   - bytes: an error message, or the body of a refused upgrade; anything else leaves everything `nil`.
    ///   - secret: a word that must not be passed on.
    ///   - now: seconds since 1970, for a `Retry-After` that is a date.
    init(_ bytes: UnsafeRawBufferPointer, hiding secret: String, now: Double) {
        guard let document = try? JSONValue(parsing: bytes, maximumDepth: 32) else {
            // A page, a sentence, or JSON that was cut: it may still say that the content was the matter.
            let text = String(decoding: bytes.prefix(512), as: UTF8.self).lowercased()
            if Self.speaksOfContent(text) { kind = .contentFilter }
            return
        }
        let nested = document["error"] ?? .null
        let inner = nested.objectOrNil ?? document
        func text(_ value: JSONValue?) -> String? { Self.clean(value, hiding: secret) }

        code = text(inner["code"]) ?? text(document["code"])
        type = [inner, document].lazy.compactMap { text($0["type"]) }.first { $0 != "error" }
        param = text(inner["param"])
        status =
            Self.status(document["status"]) ?? Self.status(inner["status"]) ?? Self.status(inner["code"])
            ?? Self.status(document["code"]) ?? Self.statusByName(code) ?? Self.statusByName(type)
        kind = Self.kind(
            type: type, code: code, message: inner["message"]?.stringValue ?? nested.stringValue)
        // OpenRouter's.
        if kind == nil, inner["metadata"]?["flagged_input"] != nil { kind = .contentFilter }
        let headers = inner["headers"] ?? document["headers"]
        readHeaders(now: now) { name in headers?.member(ignoringCase: name) }
    }

    /// `retry-after-ms`, `retry-after` and `x-should-retry`, as openai-python reads them.
    mutating func readHeaders(now: Double, _ header: (String) -> String?) {
        retryAfter =
            RetryAfter.parse(milliseconds: header("retry-after-ms"), header: header("retry-after"), now: now)
            ?? retryAfter
        switch header("x-should-retry") {
        case "true": shouldRetry = true
        case "false": shouldRetry = false
        default: break
        }
    }

    /// At most 128 characters, printable, and without the secret.
    private static func clean(_ value: JSONValue?, hiding secret: String) -> String? {
        let text: String
        switch value {
        case .string(let string): text = string
        case .number(let number): text = number
        default: return nil
        }
        guard !text.isEmpty, secret.isEmpty || !text.utf8.contains(subsequence: secret.utf8) else { return nil }
        let printable = text.unicodeScalars.prefix(128).map { scalar in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "?" : Character(scalar)
        }
        return String(printable)
    }

    private static func status(_ value: JSONValue?) -> Int? {
        let number = value?.integerValue ?? value?.stringValue.flatMap { Int($0) }
        return number.flatMap { (300..<600).contains($0) ? $0 : nil }
    }

    /// The words of OpenAI's and Anthropic's error types and codes.
    private static func statusByName(_ name: String?) -> Int? {
        switch name {
        case "invalid_request_error", "context_length_exceeded", "invalid_value", "bad_request": 400
        case "invalid_api_key", "authentication_error", "unauthorized": 401
        case "permission_error", "permission_denied", "forbidden": 403
        case "model_not_found", "not_found_error", "not_found": 404
        case "timeout", "timeout_error", "request_timeout": 408
        case "conflict", "conflict_error": 409
        case "rate_limit_exceeded", "rate_limit_error", "insufficient_quota", "too_many_requests", "tokens",
            "requests":
            429
        case "server_error", "internal_error", "internal_server_error", "api_error": 500
        case "overloaded", "overloaded_error", "service_unavailable", "engine_overloaded": 503
        default: nil
        }
    }
}

extension JSONValue {
    fileprivate var objectOrNil: JSONValue? { if case .object = self { self } else { nil } }

    /// The text of a member of a `headers` object; HTTP's names ignore case.
    fileprivate func member(ignoringCase name: String) -> String? {
        guard case .object(let members) = self else { return nil }
        guard let value = members.first(where: { $0.key.lowercased() == name })?.value else { return nil }
        if case .number(let number) = value { return number }
        return value.stringValue
    }
}

extension Collection where Element: Equatable {
    fileprivate func contains(subsequence: some Collection<Element>) -> Bool {
        var rest = self[...]
        while rest.count >= subsequence.count {
            if rest.starts(with: subsequence) { return true }
            rest = rest.dropFirst()
        }
        return false
    }
}
