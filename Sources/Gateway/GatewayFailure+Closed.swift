extension GatewayFailure {
    /// The gateway ended the connection, or the body, before its answer was complete.
    ///
    /// - Parameter code: 1005 where the close frame had none, 1006 where there was no close frame.
    static func closed(_ stage: Stage, code: Int) -> GatewayFailure {
        let sentence =
            code == 1006
            ? "The connection to the gateway broke before the answer was complete."
            : "The gateway closed the connection before the answer was complete (\(code))."
        return GatewayFailure(
            stage: stage, code: "gateway_closed\(suffix(ofCloseCode: code))", message: sentence, closeCode: code,
            isRetryable: !isFinal(closeCode: code))
    }

    /// What the codes of RFC 6455, section 7.4.1, mean; others say `_other`, so that a gateway cannot make words of its own.
    private static func suffix(ofCloseCode code: Int) -> String {
        switch code {
        case 1000: "_early"
        case 1001: "_going_away"
        case 1003: "_unsupported_data"
        case 1006: ""
        case 1007: "_invalid_data"
        case 1008: "_policy"
        case 1009: "_too_large"
        case 1011: "_internal_error"
        case 1012: "_restart"
        case 1013: "_try_again"
        default: "_other"
        }
    }

    /// The gateway ended what it had not finished.
    package var isClosure: Bool { code.hasPrefix("gateway_closed") }

    /// It says that the request itself is at fault, or that there is nothing more to say.
    private static func isFinal(closeCode: Int) -> Bool {
        switch closeCode {
        case 1000, 1003, 1007...1010: true
        default: false
        }
    }
}
