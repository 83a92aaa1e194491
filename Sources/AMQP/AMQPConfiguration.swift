/// How to reach and log in to a RabbitMQ broker. Checked once, when the worker starts.
public struct AMQPConfiguration: Sendable, Equatable {
    /// One broker node. Several are tried in order, round robin, on each reconnect.
    public struct Address: Sendable, Equatable {
        public var host: String
        public var port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }

    /// TLS for `amqps`: peer and host name are always verified, TLS 1.2 is the least.
    public struct TLS: Sendable, Equatable {
        /// PEM file with the trusted CAs; the system's bundle (`/etc/ssl/certs/ca-certificates.crt`) by default.
        public var certificateAuthorityFile: String
        /// PEM files of the client certificate and its key, or `nil` for none.
        public var clientCertificateFile: String?
        public var clientKeyFile: String?

        public init(
            certificateAuthorityFile: String = "/etc/ssl/certs/ca-certificates.crt",
            clientCertificateFile: String? = nil, clientKeyFile: String? = nil
        ) {
            self.certificateAuthorityFile = certificateAuthorityFile
            self.clientCertificateFile = clientCertificateFile
            self.clientKeyFile = clientKeyFile
        }
    }

    public var addresses: [Address]
    public var tls: TLS?
    public var virtualHost: String
    public var username: String
    /// Never logged, never part of an error.
    public var password: String
    /// If there is one, each connect asks it, and `password` is not used.
    public var passwordSource: PasswordSource?
    /// Asked for heartbeat; RabbitMQ's advice is 5-20 s. Whole seconds on the wire.
    public var heartbeat: Duration
    /// Limit for TCP connect, TLS, login and each synchronous method.
    public var timeout: Duration
    /// Shown in RabbitMQ's UI; the role (`consumer`, `publisher-0`) is appended.
    public var connectionName: String
    /// The program's version, shown beside it.
    public var productVersion: String
    /// Reconnect waits grow from `reconnectFirst` by doubling to `reconnectMost`, each with full jitter.
    public var reconnectFirst: Duration
    public var reconnectMost: Duration

    public init(
        addresses: [Address] = [Address(host: "127.0.0.1", port: 5672)], tls: TLS? = nil,
        virtualHost: String = "/", username: String = "guest", password: String = "guest",
        heartbeat: Duration = .seconds(10), timeout: Duration = .seconds(10),
        connectionName: String = "chat-worker", productVersion: String = "0",
        reconnectFirst: Duration = .milliseconds(100), reconnectMost: Duration = .seconds(10)
    ) {
        self.addresses = addresses
        self.tls = tls
        self.virtualHost = virtualHost
        self.username = username
        self.password = password
        self.heartbeat = heartbeat
        self.timeout = timeout
        self.connectionName = connectionName
        self.productVersion = productVersion
        self.reconnectFirst = reconnectFirst
        self.reconnectMost = reconnectMost
    }

    /// For the connect that is about to begin; may block for a file.
    func currentPassword() throws(AMQPError) -> String {
        guard let passwordSource else { return password }
        return try passwordSource.password()
    }
}
