/// What the configuration says about a target: where to post, signed with what. Asked when a job arrives, so that a job
/// whose result could never be delivered is refused at once, and again on every try.
public struct WebhookPolicy: Sendable {
    public struct Resolved: Sendable, Equatable {
        public let url: WebhookURL
        /// With a secret at least.
        public let keys: WebhookKeys
        public let options: WebhookOptions
        /// `nil` where the job names a URL.
        public let endpoint: String?
    }

    public let configuration: WebhookConfiguration
    public let addresses: AddressGuard
    private let insecureHosts: Set<String>

    public init(configuration: WebhookConfiguration) {
        self.configuration = configuration
        self.addresses = AddressGuard(
            allowed: configuration.allowedNetworks, only: configuration.onlyNetworks,
            denied: configuration.deniedNetworks)
        self.insecureHosts = Set(configuration.insecureHosts.map { $0.lowercased() })
    }

    /// Does not resolve names: whether a name's addresses are allowed is judged when it is connected to.
    public func resolve(_ target: WebhookTarget, customer: String) throws(WebhookError) -> Resolved {
        let options = self.options(of: target)
        switch target {
        case .url(let text):
            return Resolved(
                url: try self.url(text), keys: try self.keys(of: customer), options: options, endpoint: nil)
        case .endpoint(let name):
            guard let endpoint = self.configuration.endpoints[name] else { throw .unknownEndpoint(name) }
            var keys = endpoint.keys
            if keys.secrets.isEmpty { keys = try self.keys(of: customer) }
            return Resolved(url: try self.url(endpoint.url), keys: keys, options: options, endpoint: name)
        }
    }

    public func options(of target: WebhookTarget) -> WebhookOptions {
        guard case .endpoint(let name) = target, let endpoint = self.configuration.endpoints[name] else {
            return self.configuration.options
        }
        return endpoint.options
    }

    /// A URL that the policy allows; also for the configuration's own check of its endpoints.
    public func url(_ text: String) throws(WebhookError) -> WebhookURL {
        let url: WebhookURL
        do {
            url = try WebhookURL(parsing: text)
        } catch {
            throw .invalidURL(error)
        }
        guard self.configuration.hosts.allows(url.hostText) else { throw .refusedHost(url.hostText) }
        if url.scheme == .http, !self.mayBePlain(url) { throw .insecure(host: url.hostText) }
        if case .address(let address) = url.host, let refusal = self.addresses.refusal(of: address) {
            throw .refusedAddress(address, refusal)
        }
        return url
    }

    private func keys(of customer: String) throws(WebhookError) -> WebhookKeys {
        if let own = self.configuration.customerKeys[customer], !own.secrets.isEmpty { return own }
        guard !self.configuration.defaultKeys.secrets.isEmpty else { throw .noSecret(customer: customer) }
        return self.configuration.defaultKeys
    }

    /// An IPv6 address may be listed with or without its brackets.
    private func mayBePlain(_ url: WebhookURL) -> Bool {
        if self.insecureHosts.contains(url.hostText) { return true }
        guard case .address(let address) = url.host else { return false }
        return self.insecureHosts.contains("\(address)")
    }
}
