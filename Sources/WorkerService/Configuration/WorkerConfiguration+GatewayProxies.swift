import AsyncHTTPClient
import Gateway

/// Proxies before gateways.
extension WorkerConfiguration {
    /// What has to hold of them. Pure: the file alone decides.
    func proxyMistakes() -> [ConfigurationMistake] {
        gateways.inOrder.compactMap { name, gateway in
            guard gateway.proxy == nil, gateway.proxyCredentialsFile != nil else { return nil }
            return mistake(at: ["gateways", name, "proxy_credentials_file"], "needs proxy beside it")
        }
    }

    /// Proxies that programs on this machine are told to use, and this one does not.
    func ignoredProxyMistakes(in environment: ConfigurationEnvironment) -> [ConfigurationMistake] {
        let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        guard let variable = names.first(where: { environment.variable($0)?.isEmpty == false }) else { return [] }
        return gateways.inOrder.compactMap { name, gateway in
            guard gateway.proxy == nil, !gateway.url.isLoopback else { return nil }
            return mistake(
                .warning, at: ["gateways", name],
                "\(variable) is set, and is not used: connections to \(gateway.url.host) are direct; to go through a proxy, "
                    + "set proxy here")
        }
    }

    /// `nil`: connections are direct, or a mistake was told.
    func gatewayProxy(
        of name: String, _ reader: SecretReader, _ report: Report
    ) -> GatewayConfiguration.Proxy? {
        guard let gateway = gateways[name], let url = gateway.proxy else { return nil }
        var proxy = GatewayConfiguration.Proxy(host: url.host, port: url.port ?? 3_128)
        guard let file = gateway.proxyCredentialsFile else { return proxy }
        let credentials = userAndPassword(
            in: file, form: "user:password", at: ["gateways", name, "proxy_credentials_file"], reader, report)
        guard let credentials else { return nil }
        proxy.authorization =
            HTTPClient.Authorization.basic(username: credentials.user, password: credentials.password).headerValue
        return proxy
    }
}
