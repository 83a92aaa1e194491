public import ChatModel
public import Webhooks

extension WorkerConfiguration {
    /// `[webhooks]`
    public struct Webhooks: Sendable, Equatable {
        /// From connect to the last byte of the answer.
        public var timeout: Duration = .seconds(20)
        /// Waits before each try.
        public var schedule: [Duration] = [
            .zero, .seconds(5), .seconds(300), .seconds(1_800), .seconds(7_200), .seconds(18_000), .seconds(36_000),
            .seconds(36_000),
        ]
        /// A fraction of the wait.
        public var jitter = 0.2
        /// The least wait after 429, 502, 504 and a timeout.
        public var slowDownWait: Duration = .seconds(60)
        /// Posts under way at once.
        public var concurrency = 64
        /// Webhook tasks that the worker holds at once.
        public var prefetch = 2_000
        public var endpointConcurrency = 8
        public var slowAfter: Duration = .seconds(1)
        public var slowConcurrency = 1_000
        public var maximumAge: Duration = .seconds(3 * 86_400)
        public var breakerFailures = 5
        public var breakerOpen: Duration = .seconds(30)
        public var breakerLongest: Duration = .seconds(600)
        public var breakerProbes = 1
        public var payload = WebhookOptions.Payload.full
        public var maximumPayloadBytes = 1 << 20
        public var events = EventName.allCases
        public var cloudEvents = false
        public var ordering = WebhookOptions.Ordering.none
        public var allowedHosts: [HostRules.Pattern] = []
        public var deniedHosts: [HostRules.Pattern] = []
        public var onlyNetworks: [CIDRBlock] = []
        public var deniedNetworks: [CIDRBlock] = []
        public var proxy: ServiceURL?
        public var proxyCredentialsFile: String?
        public var proxyResolves = true
        public var signingKeyFile: String?
        public var oldSecretsUntil: Timestamp?
        public var insecureHosts: [String] = []
        public var allowedNetworks: [CIDRBlock] = []
        public var certificateAuthorityFile: String?
        public var maximumResponseBytes = 16 << 10
        /// For customers without secrets of their own; the current one first.
        public var secretFiles: [String] = []
        public var customers: [String: Customer] = [:]
        public var endpoints: [String: Endpoint] = [:]

        public init() {}

        /// The end of a webhook's type.
        public enum EventName: String, Sendable, CaseIterable {
            case completed, failed, cancelled

            var type: WebhookEventType {
                switch self {
                case .completed: .completed
                case .failed: .failed
                case .cancelled: .cancelled
                }
            }
        }

        /// `[webhooks.customers.NAME]`
        public struct Customer: Sendable, Equatable {
            /// The current one first.
            public var secretFiles: [String] = []
            public var signingKeyFile: String?
            public var oldSecretsUntil: Timestamp?

            public init() {}
        }

        /// `[webhooks.endpoints.NAME]`
        public struct Endpoint: Sendable, Equatable {
            public var url = ServiceURL.unset
            /// Empty: those of `[webhooks]`.
            public var secretFiles: [String] = []
            public var signingKeyFile: String?
            public var oldSecretsUntil: Timestamp?
            /// `nil`, here and below: what `[webhooks]` says.
            public var payload: WebhookOptions.Payload?
            public var events: [EventName]?
            public var cloudEvents: Bool?
            public var ordering: WebhookOptions.Ordering?
            public var headersFile: String?
            public var clientCertificateFile: String?
            public var clientKeyFile: String?

            public init() {}
        }
    }
}

extension WorkerConfiguration.Webhooks: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "timeout", \.timeout, .duration(.milliseconds(100) ... .seconds(300)),
            "For one post, from connect to the last byte of the answer; the specification advises 15s to 30s."),
        .init(
            "schedule", \.schedule, .list(of: .duration(.zero ... .seconds(7 * 86_400)), atLeast: 1),
            "The wait before each try; after the last one the webhook goes to the dead-letter queue."),
        .init("jitter", \.jitter, .number(0...1), "Each wait is varied by this fraction, so that tries spread."),
        .init(
            "slow_down_wait", \.slowDownWait, .duration(.seconds(1) ... .seconds(86_400)),
            "The least wait after an answer that asks to slow down (429, 502, 504), and after a timeout."),
        .init("concurrency", \.concurrency, .integer(1...10_000, of: "posts"), "Posts under way at once."),
        .init(
            "prefetch", \.prefetch, .integer(1...65_535, of: "tasks"),
            "Webhook tasks held at once; not under concurrency, or that is never reached."),
        .init(
            "endpoint_concurrency", \.endpointConcurrency, .integer(1...10_000, of: "posts"),
            "Posts to one endpoint at once, after a start with one."),
        .init(
            "slow_after", \.slowAfter, .duration(.milliseconds(50) ... .seconds(300)),
            "A post that takes longer makes its endpoint slow: then few of its webhooks wait in the worker."),
        .init(
            "slow_concurrency", \.slowConcurrency, .integer(0...50_000, of: "posts"),
            "Posts at once that had no answer for 50 ms, a socket each: others have their places."),
        .init(
            "max_age", \.maximumAge, .duration(.seconds(1) ... .seconds(31 * 86_400)),
            "An older webhook goes to the dead-letter queue; the schedule takes 28 hours, waiting at a breaker comes besides."
        ),
        .init(
            "breaker_failures", \.breakerFailures, .integer(0...1_000_000, of: "failures"),
            "Failures one after another (no answer, 5xx, 408, 429) after which an endpoint is not asked for a while, and "
                + "nothing spends a try; 0: never."),
        .init(
            "breaker_open", \.breakerOpen, .duration(.milliseconds(100) ... .seconds(86_400)),
            "For so long at first, twice as long each time that a probe fails."),
        .init(
            "breaker_longest", \.breakerLongest, .duration(.milliseconds(100) ... .seconds(86_400)),
            "And no longer than this."),
        .init(
            "breaker_probes", \.breakerProbes, .integer(1...1_000, of: "posts"),
            "Posts at once by which it is found out whether the endpoint answers again."),
        .init(
            "payload", \.payload, .choice(),
            "thin leaves the text out: ids, status and usage only."),
        .init(
            "max_payload_bytes", \.maximumPayloadBytes, .size(1_024...(64 << 20)),
            "A larger result is sent thin, with too_large: true."),
        .init(
            "events", \.events, .list(of: .choice(), atLeast: 1),
            "Ends of jobs that are told; for others no webhook is made."),
        .init(
            "cloudevents", \.cloudEvents, .flag,
            "Also send CloudEvents' headers (ce-id, ce-type, ...)."),
        .init(
            "ordering", \.ordering, .choice(),
            "customer delivers one customer's results one after another: one that fails holds up those behind it, and one "
                + "worker at a time delivers them."),
        .init(
            "allow_hosts", \.allowedHosts, .list(of: .hostPattern),
            "The only hosts that webhooks may go to; empty: all."),
        .init(
            "deny_hosts", \.deniedHosts, .list(of: .hostPattern), "Hosts that they may not go to."),
        .init(
            "only_networks", \.onlyNetworks, .list(of: .network),
            "The only networks that they may reach; empty: the public internet. A private one stands in allow_networks too."
        ),
        .init(
            "deny_networks", \.deniedNetworks, .list(of: .network),
            "Networks that they may not reach, besides all that are not the public internet."),
        .init(
            optional: "proxy", \.proxy, .proxy,
            "A proxy (CONNECT) through which all webhooks leave. The way to it is not TLS, only that through it.",
            example: "\"http://proxy.internal:3128\""),
        .init(
            optional: "proxy_credentials_file", \.proxyCredentialsFile, .secretFile,
            "What the proxy wants to know of the worker, as USER:PASSWORD (Basic); read at the start.",
            example: "\"webhook_proxy\""),
        .init(
            "proxy_resolves", \.proxyResolves, .flag,
            "The proxy looks up names, and must enforce which addresses they may have; the keys ..._networks hold for "
                + "addresses in URLs only. false: the worker looks them up, judges every address as without a proxy, and asks "
                + "the proxy for one that passed."),
        .init(
            optional: "ed25519_key_file", \.signingKeyFile, .secretFile,
            "A key (whsk_...) for a v1a signature besides v1.", example: "\"webhook_ed25519\""),
        .init(
            optional: "old_secrets_until", \.oldSecretsUntil, .instant,
            "Until then all secrets of secret_files sign, afterwards the first one only; without it all of them.",
            example: "\"2026-12-31T00:00:00Z\""),
        .init(
            "allow_http_hosts", \.insecureHosts, .list(of: .host),
            "Hosts for which http:// is allowed; for all others it is https:// only."),
        .init(
            "allow_networks", \.allowedNetworks, .list(of: .network),
            "Private networks that webhooks may reach; without it none, so that nobody can aim the worker inwards."),
        .init(
            optional: "ca_file", \.certificateAuthorityFile, .file,
            "PEM file with the CAs to trust; without it the system's.", example: "\"/etc/chat-worker/webhook-ca.pem\""),
        .init(
            "max_response_bytes", \.maximumResponseBytes, .size(0...(1 << 20)),
            "How much of an endpoint's answer is read."),
        .init(
            "secret_files", \.secretFiles, .list(of: .secretFile),
            "Signing secrets (whsec_...) for all customers without their own; while one is replaced the new one, then the "
                + "old. Empty: a webhook URL of such a customer makes the job invalid."),
    ]

    static let sections: [ConfigurationSection<Self>] = [
        .init(
            each: "customers", \.customers, named: .customer, example: "acme",
            "A customer's own signing secrets, for jobs that name a webhook URL."),
        .init(
            each: "endpoints", \.endpoints, named: .label, example: "orders",
            "Endpoints that a job names instead of a URL."),
    ]
}

extension WorkerConfiguration.Webhooks.Customer: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "secret_files", \.secretFiles, .list(of: .secretFile, atLeast: 1),
            "The current secret first, then those still in rotation.", isRequired: true,
            example: "[\"webhook_secret_acme\"]"),
        .init(
            optional: "ed25519_key_file", \.signingKeyFile, .secretFile, "This customer's key for v1a.",
            example: "\"webhook_ed25519_acme\""),
        .init(
            optional: "old_secrets_until", \.oldSecretsUntil, .instant, "As in [webhooks].",
            example: "\"2026-12-31T00:00:00Z\""),
    ]
}

extension WorkerConfiguration.Webhooks.Endpoint: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "url", \.url, .webhook, "Where to post.", isRequired: true,
            example: "\"https://orders.example.com/hooks/chat\""),
        .init(
            "secret_files", \.secretFiles, .list(of: .secretFile),
            "This endpoint's secrets; empty: those of [webhooks]."),
        .init(
            optional: "ed25519_key_file", \.signingKeyFile, .secretFile, "This endpoint's key for v1a.",
            example: "\"webhook_ed25519_orders\""),
        .init(
            optional: "old_secrets_until", \.oldSecretsUntil, .instant, "As in [webhooks].",
            example: "\"2026-12-31T00:00:00Z\""),
        .init(
            optional: "payload", \.payload, .choice(), "Here and below: without it what [webhooks] says.",
            example: "\"thin\""),
        .init(
            optional: "events", \.events, .list(of: .choice(), atLeast: 1), "Ends of jobs that it is told of.",
            example: "[\"failed\"]"),
        .init(
            optional: "cloudevents", \.cloudEvents, .flag, "Also send CloudEvents' headers.", example: "true"),
        .init(
            optional: "ordering", \.ordering, .choice(), "One customer's results one after another.",
            example: "\"customer\""),
        .init(
            optional: "headers_file", \.headersFile, .secretFile,
            "Headers sent with every post, one a line as `Name: value`; a file, since they may be secrets.",
            example: "\"webhook_headers_orders\""),
        .init(
            optional: "client_certificate_file", \.clientCertificateFile, .file,
            "PEM file with this worker's certificate for the endpoint, then its chain.",
            example: "\"/etc/chat-worker/orders.crt\""),
        .init(
            optional: "client_key_file", \.clientKeyFile, .file, "Its key, a PEM file.",
            example: "\"/etc/chat-worker/orders.key\""),
    ]
}
