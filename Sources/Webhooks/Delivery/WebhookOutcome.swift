/// What came of one try.
public struct WebhookOutcome: Sendable, Equatable {
    public enum Kind: Sendable, Equatable {
        /// The head of a 2xx answer; its body may be cut.
        case delivered
        /// The head of an answer of any other status.
        case status(Int)
        /// Not posted: the configuration, or the address that the host resolves to, forbids it.
        case refused
        /// The name does not resolve.
        case dns
        /// No connection.
        case connect
        /// No TLS session, or the certificate is not the host's.
        case tls
        /// The deadline passed, at whichever stage.
        case timeout
        /// The connection was lost before the head of the answer was complete.
        case closed
        /// What came back is no HTTP.
        case invalidResponse
        /// The proxy of the configuration is not reached, or lets this worker in no more: nothing can be said about the
        /// endpoint, and no try was spent.
        case proxyDown
        /// The proxy was asked to connect to the endpoint, and did not. Whether that is the proxy's fault or the endpoint's
        /// nobody can tell here.
        case proxyRefused
        /// The worker is stopping: nothing can be said about the endpoint, and no try was spent.
        case abandoned
        /// This worker has too much to do with others: not posted, nothing said about the endpoint, no try spent.
        case crowded

        /// Whether anything was tried.
        public var isTry: Bool { self != .abandoned && self != .crowded && self != .proxyDown }

        /// The operator's affair: the way out, not the endpoint.
        public var isProxys: Bool { self == .proxyDown || self == .proxyRefused }

        /// One word for logs and metrics.
        public var name: String {
            switch self {
            case .delivered: "delivered"
            case .status: "status"
            case .refused: "refused"
            case .dns: "dns"
            case .connect: "connect"
            case .tls: "tls"
            case .timeout: "timeout"
            case .closed: "closed"
            case .invalidResponse: "invalid_response"
            case .proxyDown: "proxy_down"
            case .proxyRefused: "proxy_refused"
            case .abandoned: "abandoned"
            case .crowded: "crowded"
            }
        }
    }

    /// As much of an answer as is kept for the dead-letter queue.
    public static let keptAnswerSize = 1_024

    public var kind: Kind
    /// The status of the answer, also of one that was cut.
    public var status: Int?
    /// From the start of the try (before the name was resolved) to its end.
    public var latency: Duration
    /// What the endpoint's `Retry-After` asks for, from now.
    public var retryAfter: Duration?
    /// The first bytes of the answer. For the dead-letter queue only, never for a log.
    public var answer: [UInt8]
    /// One line for a log: what failed, without path, query, secret or anything that the endpoint wrote.
    public var detail: String

    public init(
        kind: Kind, status: Int? = nil, latency: Duration = .zero, retryAfter: Duration? = nil, answer: [UInt8] = [],
        detail: String = ""
    ) {
        self.kind = kind
        self.status = status
        self.latency = latency
        self.retryAfter = retryAfter
        self.answer = answer
        self.detail = detail
    }
}
