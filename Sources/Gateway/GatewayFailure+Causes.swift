/// Where every failure of this module gets its code, its sentence, and whether another try may help.
extension GatewayFailure {
    /// A refused upgrade or an error message, by its kind, else by its HTTP status.
    static func refused(_ stage: Stage, status: Int?, _ details: UpstreamError) -> GatewayFailure {
        let kind = details.kind(with: status)
        let (code, sentence) = kind.map(meaning(of:)) ?? meaning(ofStatus: status)
        let isTransient =
            kind.map { !$0.isFinal } ?? status.map { $0 == 408 || $0 == 409 || $0 == 429 || $0 >= 500 } ?? false
        let isFinal = kind?.isFinal == true
        let reset = code == "gateway_rate_limited" ? details.limitReset : nil
        var failure = GatewayFailure(
            stage: stage, code: code, message: told(sentence, status), status: status,
            retryAfter: isFinal ? nil : details.retryAfter ?? reset, upstreamType: details.type,
            upstreamCode: details.code, upstreamParam: details.param,
            isRetryable: !isFinal && details.shouldRetry ?? isTransient
        ).saying(details.text)
        if status.map({ $0 == 400 || $0 == 422 }) ?? true { failure.refusedParameters = details.refusedParameters }
        return failure
    }

    /// With the phrases that the operator has added for this gateway, which go before all that is known here. The gateway's own
    /// words go with that.
    func judged(by phrases: ErrorPhrases) -> GatewayFailure {
        var failure = self
        failure.text = nil
        guard let text, let kind = phrases.kind(of: text, [upstreamType, upstreamCode]) else { return failure }
        let (code, sentence) = Self.meaning(of: kind)
        (failure.code, failure.message, failure.isRetryable) = (code, Self.told(sentence, status), !kind.isFinal)
        if kind.isFinal { failure.retryAfter = nil }
        return failure
    }

    private func saying(_ text: RefusedText) -> GatewayFailure {
        var failure = self
        failure.text = text
        return failure
    }

    private static func told(_ sentence: String, _ status: Int?) -> String {
        "The gateway \(sentence)\(status.map { " (\($0))" } ?? "")."
    }

    private static func meaning(of kind: RefusalKind) -> (code: String, sentence: String) {
        switch kind {
        case .contextTooLong: ("gateway_context_too_long", "says that the model takes no messages so long")
        case .contentFilter: ("gateway_content_filter", "refused the request by its content filter")
        case .outOfCredit: ("gateway_quota_exhausted", "says that the account's credit or quota is used up")
        case .modelGone: ("gateway_not_found", "does not know the model or the path")
        case .overloaded: ("gateway_unavailable", "is overloaded")
        case .rateLimited: ("gateway_rate_limited", "asked for fewer requests")
        }
    }

    private static func meaning(ofStatus status: Int?) -> (code: String, sentence: String) {
        switch status {
        case 400, 422: ("gateway_bad_request", "refused the request as malformed")
        case 401: ("gateway_unauthorized", "refused the key")
        case 403: ("gateway_forbidden", "refused the key or its permissions")
        case 408: ("gateway_timeout", "gave up waiting")
        case 409: ("gateway_conflict", "reported a conflict")
        case 429: ("gateway_rate_limited", "asked for fewer requests")
        case .some(500...): ("gateway_unavailable", "is unavailable")
        case .some(300..<400): ("gateway_redirected", "answered with a redirect, which is not followed")
        case .some(101..<300): ("gateway_error", "did not switch to the WebSocket protocol")
        default: ("gateway_error", "answered with an error")
        }
    }

    /// - Parameter kind: what the answer is instead.
    static func notStreaming(_ stage: Stage, status: Int, kind: String) -> GatewayFailure {
        GatewayFailure(
            stage: stage, code: "gateway_not_streaming",
            message: "The gateway answered with \(kind) instead of an event stream (\(status)).", status: status,
            isRetryable: false)
    }

    static func unreachable(_ stage: Stage, _ sentence: String) -> GatewayFailure {
        GatewayFailure(stage: stage, code: "gateway_unreachable", message: sentence, isRetryable: true)
    }

    static func protocolError(_ stage: Stage, _ sentence: String) -> GatewayFailure {
        GatewayFailure(stage: stage, code: "gateway_protocol_error", message: sentence, isRetryable: false)
    }

    static func timedOut(_ stage: Stage) -> GatewayFailure {
        let (code, sentence) =
            switch stage {
            case .connect: ("gateway_connect_timeout", "The gateway did not accept the connection in time.")
            case .upgrade: ("gateway_connect_timeout", "The gateway did not answer the upgrade in time.")
            case .request, .firstChunk:
                ("gateway_first_chunk_timeout", "The gateway did not begin its answer in time.")
            case .streaming: ("gateway_idle_timeout", "The gateway fell silent in the middle of its answer.")
            }
        return GatewayFailure(stage: stage, code: code, message: sentence, isRetryable: true)
    }

    static func fault(_ stage: Stage, _ fault: some GatewayFault) -> GatewayFailure {
        let code =
            switch fault.closeCode {
            case 1007: "gateway_invalid_utf8"
            case 1009: "gateway_message_too_large"
            default: "gateway_protocol_error"
            }
        return GatewayFailure(
            stage: stage, code: code, message: "The gateway sent \(fault.rawValue).", isRetryable: false)
    }

    static func invalidChunk(_ stage: Stage, _ sentence: String) -> GatewayFailure {
        GatewayFailure(stage: stage, code: "gateway_invalid_chunk", message: sentence, isRetryable: false)
    }

    /// Retryable: a connection of its own keeps answers apart.
    static func mixedStreams(_ stage: Stage) -> GatewayFailure {
        GatewayFailure(
            stage: stage, code: "gateway_mixed_streams",
            message: "The gateway mixed another answer into this one.", isRetryable: true)
    }

    static func incomplete(_ stage: Stage) -> GatewayFailure {
        GatewayFailure(
            stage: stage, code: "gateway_incomplete",
            message: "The gateway ended its answer before every choice had finished.", isRetryable: false)
    }

    static func shutDown(_ stage: Stage) -> GatewayFailure {
        GatewayFailure(
            stage: stage, code: "gateway_shutdown", message: "The gateway client was shut down.", isRetryable: true)
    }
}
