extension WebhookConfiguration {
    /// An HTTP proxy through which all webhooks leave (CONNECT). It resolves the names, so it has to enforce which addresses
    /// may be reached.
    public struct Proxy: Sendable, Equatable {
        public var host: String
        public var port: Int

        public init(host: String, port: Int) {
            self.host = host
            self.port = port
        }
    }
}
