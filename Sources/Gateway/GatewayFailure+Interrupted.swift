/// An answer that its gateway broke off and says so.
extension GatewayFailure {
    /// - Parameter word: the finish reason, fit to be shown.
    static func interrupted(_ stage: Stage, _ word: String) -> GatewayFailure {
        GatewayFailure(
            stage: stage, code: "gateway_interrupted",
            message: "The gateway broke its answer off, with the finish reason \"\(word)\".", isRetryable: true)
    }
}
