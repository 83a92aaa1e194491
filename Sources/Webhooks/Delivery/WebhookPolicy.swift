/// What the configuration says about a target: where to post, signed with what. Asked when a job arrives, so that a job
/// whose result could never be delivered is refused at once, and again on every try.
public struct WebhookPolicy: Sendable {
    public struct Resolved: Sendable, Equatable {
        public let url: WebhookURL
        /// Never empty; the current one first.
        public let secrets: [WebhookSecret]
        /// `nil` where the job names a URL.
        public let endpoint: String?
    }

    public let configuration: WebhookConfiguration
    public let addresses: AddressGuard
    private let insecureHosts: Set<String>

    public init(configuration: WebhookConfiguration) {
        self.configuration = configuration
        self.addresses = AddressGuard(allowed: configuration.allowedNetworks)
        self.insecureHosts = Set(configuration.insecureHosts.map { $0.lowercased() })
    }

    /// Does not resolve names: whether a name's addresses are allowed is judged when it is connected to.
    public func resolve(_ target: WebhookTarget, customer: String) throws(WebhookError) -> Resolved {
        switch target {
        case .url(let text):
            return Resolved(url: try self.url(text), secrets: try self.secrets(of: customer), endpoint: nil)
        case .endpoint(let name):
            guard let endpoint = self.configuration.endpoints[name] else { throw .unknownEndpoint(name) }
            let secrets = endpoint.secrets.isEmpty ? try self.secrets(of: customer) : endpoint.secrets
            return Resolved(url: try self.url(endpoint.url), secrets: secrets, endpoint: name)
        }
    }

    /// A URL that the policy allows; also for the configuration's own check of its endpoints.
    public func url(_ text: String) throws(WebhookError) -> WebhookURL {
        let url: WebhookURL
        do {
            url = try WebhookURL(parsing: text)
        } catch {
            throw .invalidURL(error)
        }
        if url.scheme == .http, !self.mayBePlain(url) { throw .insecure(host: url.hostText) }
        if case .address(let address) = url.host, let network = self.addresses.refusal(of: address) {
            throw .refusedAddress(address, network: network)
        }
        return url
    }

    private func secrets(of customer: String) throws(WebhookError) -> [WebhookSecret] {
        let own = self.configuration.customerSecrets[customer] ?? []
        let secrets = own.isEmpty ? self.configuration.defaultSecrets : own
        guard !secrets.isEmpty else { throw .noSecret(customer: customer) }
        return secrets
    }

    /// An IPv6 address may be listed with or without its brackets.
    private func mayBePlain(_ url: WebhookURL) -> Bool {
        if self.insecureHosts.contains(url.hostText) { return true }
        guard case .address(let address) = url.host else { return false }
        return self.insecureHosts.contains("\(address)")
    }
}
