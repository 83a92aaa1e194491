/// What a proxy's failure means: it speaks of the proxy, and not of the gateway, which was not reached.
extension GatewayFailure {
    init(_ failure: ProxyFailure) {
        self =
            switch failure {
            case .unreachable: .proxy("unreachable", "The proxy before the gateway could not be reached.")
            case .silent: .proxy("timeout", "The proxy before the gateway did not answer in time.")
            case .closed: .proxy("unreachable", "The proxy before the gateway closed the connection.")
            case .garbage:
                .proxy("protocol_error", "The proxy before the gateway does not speak HTTP/1.1.", isRetryable: false)
            case .refused(407):
                .proxy(
                    "refused", "The proxy before the gateway wants other credentials (407).", status: 407,
                    isRetryable: false)
            case .refused(let status):
                .proxy(
                    "refused", "The proxy before the gateway refused to connect to it (\(status)).", status: status,
                    isRetryable: status >= 500 || status == 408 || status == 429)
            }
    }

    /// It is the proxy's.
    package var isOfProxy: Bool { code.hasPrefix("gateway_proxy_") }

    private static func proxy(
        _ kind: String, _ sentence: String, status: Int? = nil, isRetryable: Bool = true
    ) -> GatewayFailure {
        GatewayFailure(
            stage: .connect, code: "gateway_proxy_\(kind)", message: sentence, status: status, isRetryable: isRetryable)
    }
}
