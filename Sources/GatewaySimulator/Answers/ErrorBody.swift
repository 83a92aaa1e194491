/// Error objects as OpenAI and its gateways write them.
enum ErrorBody {
    /// `{"error": {"message", "type", "param", "code"}}`
    static func nested(type: String, message: String, param: String? = nil, code: String? = nil) -> [UInt8] {
        Array("{\"error\":".utf8) + object(type: type, message: message, param: param, code: code)
            + Array("}".utf8)
    }

    static func shaped(
        _ shape: Fault.ErrorShape, type: String, message: String, status: Int, retryAfter: String? = nil
    ) -> [UInt8] {
        switch shape {
        case .nested:
            return nested(type: type, message: message, code: type)
        case .text:
            return Array("{\"error\":".utf8) + JSONEscaping.quoted(message) + Array("}".utf8)
        case .flat:
            return Array("{\"type\":\"error\",\"code\":".utf8) + JSONEscaping.quoted(type)
                + Array(",\"message\":".utf8) + JSONEscaping.quoted(message) + Array("}".utf8)
        case .typed:
            let headers = retryAfter.map {
                $0.hasSuffix("ms")
                    ? Array(",\"headers\":{\"retry-after-ms\":".utf8) + JSONEscaping.quoted(String($0.dropLast(2))) + [
                        0x7D
                    ]
                    : Array(",\"headers\":{\"retry-after\":".utf8) + JSONEscaping.quoted($0) + [0x7D]
            }
            return Array("{\"type\":\"error\",\"status\":\(status),\"error\":".utf8)
                + object(type: type, message: message, param: nil, code: type).dropLast()
                + (headers ?? []) + Array("}}".utf8)
        }
    }

    /// The `type` that goes with an HTTP status.
    static func type(forStatus status: Int) -> String {
        switch status {
        case 400, 404, 413, 422: "invalid_request_error"
        case 401, 403: "authentication_error"
        case 429: "rate_limit_exceeded"
        default: "server_error"
        }
    }

    /// The status that goes with a `type`, for errors that carry both.
    static func status(forType type: String) -> Int {
        switch type {
        case "rate_limit_exceeded", "rate_limit_error", "insufficient_quota": 429
        case "invalid_request_error", "context_length_exceeded", "content_filter": 400
        case "authentication_error": 401
        case "permission_error": 403
        case "overloaded_error", "service_unavailable": 503
        default: 500
        }
    }

    private static func object(type: String, message: String, param: String?, code: String?) -> [UInt8] {
        let null = Array("null".utf8)
        return Array("{\"message\":".utf8) + JSONEscaping.quoted(message)
            + Array(",\"type\":".utf8) + JSONEscaping.quoted(type)
            + Array(",\"param\":".utf8) + (param.map(JSONEscaping.quoted) ?? null)
            + Array(",\"code\":".utf8) + (code.map(JSONEscaping.quoted) ?? null) + Array("}".utf8)
    }
}
