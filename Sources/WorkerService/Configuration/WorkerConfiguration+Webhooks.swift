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
        public var prefetch = 128
        public var insecureHosts: [String] = []
        public var allowedNetworks: [CIDRBlock] = []
        public var certificateAuthorityFile: String?
        public var maximumResponseBytes = 16 << 10
        /// For customers without secrets of their own; the current one first.
        public var secretFiles: [String] = []
        public var customers: [String: Customer] = [:]
        public var endpoints: [String: Endpoint] = [:]

        public init() {}

        /// `[webhooks.customers.NAME]`
        public struct Customer: Sendable, Equatable {
            /// The current one first.
            public var secretFiles: [String] = []

            public init() {}
        }

        /// `[webhooks.endpoints.NAME]`
        public struct Endpoint: Sendable, Equatable {
            public var url = ServiceURL.unset
            /// Empty: those of `[webhooks]`.
            public var secretFiles: [String] = []

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
            example: "[\"webhook_secret_acme\"]")
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
    ]
}
