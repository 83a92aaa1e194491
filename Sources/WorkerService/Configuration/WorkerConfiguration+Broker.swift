extension WorkerConfiguration {
    /// `[broker]`
    public struct Broker: Sendable, Equatable {
        /// Scheme, first node, and perhaps user and virtual host.
        public var url = ServiceURL(scheme: "amqp", host: "127.0.0.1", port: 5672)
        /// Further nodes, tried in order after the URL's.
        public var hosts: [BrokerHost] = []
        /// `nil`: the URL's, else `/`.
        public var virtualHost: String?
        /// `nil`: the URL's, else `guest`.
        public var username: String?
        public var passwordFile = "broker_password"
        public var passwordVariable: String?
        public var certificateAuthorityFile: String?
        public var clientCertificateFile: String?
        public var clientKeyFile: String?
        public var heartbeat: Duration = .seconds(10)
        /// Connect, TLS, login, and each synchronous method.
        public var timeout: Duration = .seconds(10)
        public var reconnectFirst: Duration = .milliseconds(100)
        public var reconnectMost: Duration = .seconds(10)
        /// Begins the name of every queue and exchange.
        public var prefix = "chat"
        /// Publish connections, each with a thread of its own.
        public var publishers = 2
        /// Unconfirmed messages on one publish connection.
        public var confirmWindow = 1_000
        /// The broker's own `consumer_timeout`.
        public var consumerTimeout: Duration = .seconds(1_800)
        /// Waits of the retry queues, ascending.
        public var retryTiers: [Duration] = [
            .seconds(1), .seconds(5), .seconds(30), .seconds(300), .seconds(1_800), .seconds(7_200), .seconds(36_000),
        ]
        public var controlMaximumAge: Duration = .seconds(7 * 86_400)
        public var journalMaximumAge: Duration = .seconds(32 * 86_400)

        public init() {}

        public var usesTLS: Bool { url.scheme == "amqps" }
        public var password: SecretSource {
            SecretSource(file: passwordFile, environmentVariable: passwordVariable)
        }
    }
}

extension WorkerConfiguration.Broker: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init("url", \.url, .broker, "The first node to try; amqps:// turns TLS on."),
        .init(
            "hosts", \.hosts, .list(of: .brokerHost),
            "Further nodes of the same cluster, tried in turn when one cannot be reached."),
        .init(
            optional: "vhost", \.virtualHost, .text("name of a virtual host"),
            "The virtual host; without it the URL's, else /.", example: "\"/\""),
        .init(
            optional: "username", \.username, .text("user of the broker"),
            "The worker's own user: internal queues take messages of this user only. Without it the URL's, else guest.",
            example: "\"chat-worker\""),
        .init(
            "password_file", \.passwordFile, .secretFile,
            "Holds the password; each connect reads it again. Where neither file nor variable exist, the user guest has the "
                + "password guest."),
        .init(
            optional: "password_env", \.passwordVariable, .environmentVariable,
            "A variable with the password, asked where the file does not exist.",
            example: "\"CHAT_WORKER_BROKER_PASSWORD\""),
        .init(
            optional: "ca_file", \.certificateAuthorityFile, .file,
            "PEM file with the CAs to trust with amqps://; without it the system's.",
            example: "\"/etc/chat-worker/broker-ca.pem\""),
        .init(
            optional: "client_certificate_file", \.clientCertificateFile, .file,
            "PEM file with the worker's certificate, where the broker asks for one.",
            example: "\"/etc/chat-worker/client.pem\""),
        .init(
            optional: "client_key_file", \.clientKeyFile, .file, "PEM file with that certificate's key.",
            example: "\"/run/credentials/chat-worker.service/client_key\""),
        .init(
            "heartbeat", \.heartbeat, .duration(.seconds(1) ... .seconds(60)),
            "A dead broker is noticed after two of these; RabbitMQ advises 5s to 20s."),
        .init(
            "timeout", \.timeout, .duration(.seconds(1) ... .seconds(120)),
            "For connecting, logging in, and each answer of the broker."),
        .init(
            "reconnect_first", \.reconnectFirst, .duration(.milliseconds(10) ... .seconds(60)),
            "Wait before the first reconnect; it doubles up to reconnect_most, with jitter."),
        .init(
            "reconnect_most", \.reconnectMost, .duration(.milliseconds(10) ... .seconds(600)),
            "The longest wait between two reconnects."),
        .init(
            "prefix", \.prefix, .name(.label),
            "Begins the name of every queue and exchange, so that two deployments can share a virtual host."),
        .init(
            "publishers", \.publishers, .integer(1...64, of: "connections"),
            "Publish connections, each with its own thread; a job stays on one. More help on many cores."),
        .init(
            "confirm_window", \.confirmWindow, .integer(1...65_535, of: "messages"),
            "Unconfirmed messages of one publish connection; while it is full, chunks are joined."),
        .init(
            "consumer_timeout", \.consumerTimeout, .duration(.seconds(60) ... .seconds(7 * 86_400)),
            "The broker's consumer_timeout, which cannot be asked over AMQP: no job may be held that long."),
        .init(
            "retry_tiers", \.retryTiers,
            .list(of: .duration(.milliseconds(100) ... .seconds(7 * 86_400)), atLeast: 1),
            "One waiting queue for each; longer waits are made of several. Ascending."),
        .init(
            "control_max_age", \.controlMaximumAge, .duration(.seconds(3_600) ... .seconds(365 * 86_400)),
            "How long cancels are kept; must be longer than a job can wait in the queue."),
        .init(
            "journal_max_age", \.journalMaximumAge, .duration(.seconds(3_600) ... .seconds(365 * 86_400)),
            "How long the story of jobs is kept: longer than the longest budget of [budgets]."),
    ]
}
