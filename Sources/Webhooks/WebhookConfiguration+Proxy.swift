extension WebhookConfiguration {
    /// An HTTP proxy through which all webhooks leave (CONNECT).
    public struct Proxy: Sendable, Equatable {
        public struct Credentials: Sendable, Equatable {
            public var user: String
            public var password: String

            public init(user: String, password: String) {
                self.user = user
                self.password = password
            }
        }

        public var host: String
        public var port: Int
        public var credentials: Credentials?
        /// The proxy looks names up, and has to enforce which addresses they may have. Otherwise the worker does, and asks the
        /// proxy for an address that it has judged.
        public var resolvesNames: Bool

        public init(host: String, port: Int, credentials: Credentials? = nil, resolvesNames: Bool = true) {
            self.host = host
            self.port = port
            self.credentials = credentials
            self.resolvesNames = resolvesNames
        }
    }
}

extension WebhookConfiguration.Proxy.Credentials: CustomStringConvertible, CustomDebugStringConvertible {
    /// Never the password.
    public var description: String { "credentials of \(user)" }
    public var debugDescription: String { description }
}
