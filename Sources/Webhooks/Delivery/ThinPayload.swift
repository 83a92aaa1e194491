internal import ChatModel

/// What is left of a terminal reply where the text must not leave through a webhook: ids, status, usage. What is not
/// listed here is left out, so that nothing that a gateway invents can slip through.
enum ThinPayload {
    private static let ids = ["id", "object", "created", "model"]
    private static let job = [
        "id", "customer", "attempt", "attempts", "tries", "model", "gateway", "usage", "usage_source", "cost",
        "timings",
        "content_sha256",
        "tokens_wasted",
    ]
    private static let error = ["type", "code", "retryable", "stage"]

    /// - Parameters:
    ///   - isCut: it was meant to be a full one, and was too large.
    static func make(of reply: [UInt8], type: WebhookEventType, isCut: Bool) -> [UInt8] {
        let reply = (try? JSONValue(parsing: reply)) ?? .object([])
        var members = pick(ids, of: reply)
        members.append(.init("status", .string(type.word)))
        members.append(.init("payload", .string("thin")))
        if isCut { members.append(.init("too_large", .bool(true))) }
        let reasons = (reply["choices"]?.arrayValue ?? []).compactMap { $0["finish_reason"] }
        if !reasons.isEmpty { members.append(.init("finish_reasons", .array(reasons))) }
        if let usage = reply["usage"] ?? reply["partial"]?["usage"] { members.append(.init("usage", usage)) }
        if let error = reply["error"] { members.append(.init("error", .object(pick(Self.error, of: error)))) }
        if let job = reply["job"] { members.append(.init("job", .object(pick(Self.job, of: job)))) }
        return JSONValue.object(members).serialized()
    }

    private static func pick(_ keys: [String], of value: JSONValue) -> [JSONValue.Member] {
        keys.compactMap { key in value[key].map { JSONValue.Member(key, $0) } }
    }
}
