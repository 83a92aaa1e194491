/// How webhooks are signed, posted and guarded. Checked once, when the worker starts.
public struct WebhookConfiguration: Sendable {
    /// A `[webhooks.endpoints.NAME]`.
    public struct Endpoint: Sendable, Equatable {
        public var name: String
        public var url: String
        public var keys: WebhookKeys
        public var options: WebhookOptions

        public init(name: String, url: String, keys: WebhookKeys, options: WebhookOptions = WebhookOptions()) {
            self.name = name
            self.url = url
            self.keys = keys
            self.options = options
        }

        public init(name: String, url: String, secrets: [WebhookSecret]) {
            self.init(name: name, url: url, keys: WebhookKeys(secrets: secrets))
        }
    }

    public var endpoints: [String: Endpoint]
    /// By customer, for jobs that name a URL.
    public var customerKeys: [String: WebhookKeys]
    /// For customers without keys of their own; without a secret such a job is invalid.
    public var defaultKeys: WebhookKeys
    /// Of URLs that jobs name.
    public var options = WebhookOptions()
    public var hosts = HostRules()
    /// The only networks that may be reached; empty: all.
    public var onlyNetworks: [CIDRBlock] = []
    /// Networks that are refused besides those of the SSRF list.
    public var deniedNetworks: [CIDRBlock] = []
    public var proxy: Proxy?
    /// `ce-source` of CloudEvents.
    public var cloudEventsSource = "chat"
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
    /// A task that is older goes to the dead-letter queue, however few tries it had.
    public var maximumAge: Duration = .seconds(3 * 86_400)
    /// Posts to one endpoint at once.
    public var endpointConcurrency = 8
    /// A post that takes longer gives its slot of `concurrency` away, and goes on as one of `slowConcurrency`.
    public var slowAfter: Duration = .seconds(1)
    public var slowConcurrency = 1_000
    public var breaker = CircuitBreaker.Policy()

    var lanes: EndpointLanes.Policy {
        EndpointLanes.Policy(
            concurrency: max(1, concurrency), slowConcurrency: slowConcurrency,
            endpointConcurrency: max(1, endpointConcurrency), breaker: breaker)
    }

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
        customerKeys = customerSecrets.mapValues { WebhookKeys(secrets: $0) }
        defaultKeys = WebhookKeys(secrets: defaultSecrets)
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
