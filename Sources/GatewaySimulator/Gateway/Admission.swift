import NIOHTTP1

/// Decides about an HTTP request before it becomes a WebSocket, or instead. Pure.
struct Admission: Sendable, Equatable {
    var path: String
    /// Of requests that are answered with an event stream.
    var httpPath = "/v1/chat/completions"
    var apiKeys: [String]

    /// An answer in plain HTTP.
    struct Answer: Sendable, Equatable {
        var status: Int
        /// Seconds, or with `ms` behind them milliseconds.
        var retryAfter: String?
        var body: [UInt8]

        init(status: Int, retryAfter: String? = nil, body: [UInt8]) {
            self.status = status
            self.retryAfter = retryAfter
            self.body = body
        }

        var headers: HTTPHeaders {
            var headers = HTTPHeaders([
                ("content-type", "application/json"), ("content-length", String(body.count)),
            ])
            if let retryAfter, retryAfter.hasSuffix("ms") {
                headers.add(name: "retry-after-ms", value: String(retryAfter.dropLast(2)))
            } else if let retryAfter {
                headers.add(name: "retry-after", value: retryAfter)
            }
            if (300..<400).contains(status) { headers.add(name: "location", value: "/redirected") }
            return headers
        }

        static func error(_ status: Int, _ message: String, retryAfter: String? = nil) -> Answer {
            let type = ErrorBody.type(forStatus: status)
            let isFinal = retryAfter == Fault.neverPasses
            return Answer(
                status: status, retryAfter: isFinal ? nil : retryAfter,
                body: ErrorBody.nested(
                    type: type, message: isFinal ? Fault.tooLarge : message,
                    code: status == 403 ? "invalid_api_key" : type))
        }
    }

    enum Decision: Sendable, Equatable {
        case admit
        case answer(Answer)
    }

    /// - Parameter refusal: A fault that refuses this upgrade.
    func decide(_ head: HTTPRequestHead, refusal: Fault?) -> Decision {
        let path = String(head.uri.prefix { $0 != "?" })
        let isUpgrade = head.headers[canonicalForm: "upgrade"].contains { $0.lowercased() == "websocket" }
        switch path {
        case "/health": return .answer(Answer(status: 200, body: Array("{\"status\":\"ok\"}".utf8)))
        case self.path: break
        case "/v1/models": return isAuthorized(head) ? .answer(Self.models) : .answer(Self.unauthorized)
        default: return .answer(.error(404, "There is nothing at this path"))
        }
        guard isAuthorized(head) else { return .answer(Self.unauthorized) }
        guard isUpgrade, head.method == .GET else {
            return .answer(.error(426, "This path is a WebSocket endpoint"))
        }
        if case .refuse(let status, let retryAfter) = refusal {
            return .answer(.error(status, "Simulated refusal", retryAfter: retryAfter))
        }
        return .admit
    }

    /// What a request for an event stream is refused with, if it is. - Parameter fault: one that refuses this request.
    func refusal(of head: HTTPRequestHead, fault: Fault?) -> Answer? {
        guard isAuthorized(head) else { return Self.unauthorized }
        guard case .refuse(let status, let retryAfter) = fault else { return nil }
        return .error(status, "Simulated refusal", retryAfter: retryAfter)
    }

    /// The value of `model` in the query, decoded.
    static func model(in uri: String) -> String? {
        guard let mark = uri.firstIndex(of: "?") else { return nil }
        for item in uri[uri.index(after: mark)...].split(separator: "&") where item.hasPrefix("model=") {
            return decodePercents(item.dropFirst("model=".count))
        }
        return nil
    }

    private func isAuthorized(_ head: HTTPRequestHead) -> Bool {
        guard !apiKeys.isEmpty else { return true }
        let given = head.headers["authorization"]
        return given.count == 1 && apiKeys.contains { "Bearer \($0)" == given[0] }
    }

    private static let unauthorized = Answer.error(403, "Incorrect API key provided")

    /// The models of the guide.
    private static let models: Answer = {
        let names = ["gpt-4.1", "claude-sonnet-4-20250514", "gemini-2.5-flash", "deepseek-v3.2"]
        let entries = names.map { "{\"id\":\"\($0)\",\"object\":\"model\",\"owned_by\":\"simulator\"}" }
        return Answer(
            status: 200, body: Array("{\"object\":\"list\",\"data\":[\(entries.joined(separator: ","))]}".utf8))
    }()

    private static func decodePercents(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            if byte == 0x25, let value = UInt8(String(Substring(rest.prefix(2))), radix: 16), rest.count >= 2 {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte == 0x2B ? 0x20 : byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
