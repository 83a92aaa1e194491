/// How webhooks are signed, posted and guarded. Checked once, when the worker starts.
public struct WebhookConfiguration: Sendable {
    /// A `[webhooks.endpoints.NAME]`.
    public struct Endpoint: Sendable, Equatable {
        public var name: String
        public var url: String
        public var secrets: [WebhookSecret]

        public init(name: String, url: String, secrets: [WebhookSecret]) {
            self.name = name
            self.url = url
            self.secrets = secrets
        }
    }

    public var endpoints: [String: Endpoint]
    /// Secrets by customer, for jobs that name a URL; the current one first, then those still in rotation.
    public var customerSecrets: [String: [WebhookSecret]]
    /// For customers without secrets of their own; empty means that such a job is invalid.
    public var defaultSecrets: [WebhookSecret]
    /// From connect to the last byte of the answer.
    public var timeout: Duration
    /// Waits before each try: Svix's schedule by default, each with `jitter`.
    public var schedule: [Duration]
    /// Fraction, 0.2 is +-20 %.
    public var jitter: Double
    /// Posts under way at once.
    public var concurrency: Int
    /// Hosts for which plain http is allowed, as written in the URL.
    public var insecureHosts: Set<String>
    /// Networks in CIDR notation that are allowed although the SSRF list refuses them.
    public var allowedNetworks: [CIDRBlock]
    /// PEM file with the trusted CAs; `nil` is the system's store.
    public var certificateAuthorityFile: String?
    /// Most bytes of an endpoint's answer that are read.
    public var maximumResponseSize: Int
    public var userAgent: String
    /// The least wait after an answer that asks to slow down (429, 502, 504), and after a timeout.
    public var slowDownWait: Duration
    /// The queues that waits are made of.
    public var retryTiers: RetryTiers

    public init(
        endpoints: [String: Endpoint] = [:], customerSecrets: [String: [WebhookSecret]] = [:],
        defaultSecrets: [WebhookSecret] = [], timeout: Duration = .seconds(20),
        schedule: [Duration] = [
            .zero, .seconds(5), .seconds(300), .seconds(1_800), .seconds(7_200), .seconds(18_000), .seconds(36_000),
            .seconds(36_000),
        ],
        jitter: Double = 0.2, concurrency: Int = 64, insecureHosts: Set<String> = [],
        allowedNetworks: [CIDRBlock] = [], certificateAuthorityFile: String? = nil,
        maximumResponseSize: Int = 16_384, userAgent: String = "chat-worker", slowDownWait: Duration = .seconds(60),
        retryTiers: RetryTiers = .standard
    ) {
        self.endpoints = endpoints
        self.customerSecrets = customerSecrets
        self.defaultSecrets = defaultSecrets
        self.timeout = timeout
        self.schedule = schedule
        self.jitter = jitter
        self.concurrency = concurrency
        self.insecureHosts = insecureHosts
        self.allowedNetworks = allowedNetworks
        self.certificateAuthorityFile = certificateAuthorityFile
        self.maximumResponseSize = maximumResponseSize
        self.userAgent = userAgent
        self.slowDownWait = slowDownWait
        self.retryTiers = retryTiers
    }
}
