package import ChatModel
package import Gateway

/// Why a job ended without its whole answer: what stands in the `error` reply.
package struct JobFailure: Sendable, Equatable {
    /// How far the job had come. Decides, with `isRetryable`, what happens to it.
    package enum Stage: String, Sendable {
        case validating, waiting, connect, upgrade, request, firstChunk = "first_chunk", streaming, completing
    }

    /// OpenAI's word for the kind: `invalid_request_error`, `gateway_error`, `timeout`, ...
    package var type: String
    package var code: String
    package var message: String
    package var param: String?
    package var isRetryable: Bool
    package var stage: Stage
    /// What the gateway asked for.
    package var retryAfter: Duration?
    /// A 429 that others are not met with: it counts as any other failure that a try may cure.
    var concernsJobAlone = false

    package init(
        type: String, code: String, message: String, param: String? = nil, isRetryable: Bool, stage: Stage,
        retryAfter: Duration? = nil
    ) {
        self.type = type
        self.code = code
        self.message = message
        self.param = param
        self.isRetryable = isRetryable
        self.stage = stage
        self.retryAfter = retryAfter
    }

    package init(_ failure: GatewayFailure) {
        self.init(
            type: Self.type(of: failure), code: failure.code, message: failure.message, param: failure.upstreamParam,
            isRetryable: failure.isRetryable, stage: Stage(rawValue: failure.stage.rawValue) ?? .streaming,
            retryAfter: failure.retryAfter)
        concernsJobAlone = failure.concernsJobAlone
    }

    /// The gateway asks for fewer requests (429): nobody's failure, unless others are answered meanwhile.
    var isRateLimit: Bool { code == "gateway_rate_limited" && !concernsJobAlone }

    /// What a job ends with: if others are answered where it is refused again and again, asking once more is no use.
    var asEnd: JobFailure {
        var failure = self
        if concernsJobAlone { failure.isRetryable = false }
        return failure
    }

    package init(_ invalid: InvalidJob) {
        self.init(
            type: "invalid_request_error", code: invalid.code, message: invalid.reason, param: invalid.field,
            isRetryable: false, stage: .validating)
    }

    private static func type(of failure: GatewayFailure) -> String {
        switch failure.code {
        case "gateway_bad_request", "gateway_not_found", "gateway_context_too_long", "gateway_content_filter":
            "invalid_request_error"
        case "gateway_rate_limited": "rate_limit_error"
        case "gateway_quota_exhausted": "insufficient_quota"
        case "gateway_unauthorized": "authentication_error"
        case "gateway_forbidden": "permission_error"
        case "gateway_connect_timeout", "gateway_first_chunk_timeout", "gateway_idle_timeout", "gateway_timeout",
            "gateway_proxy_timeout":
            "timeout"
        default: "gateway_error"
        }
    }
}
