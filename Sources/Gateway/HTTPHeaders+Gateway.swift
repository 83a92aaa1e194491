import NIOHTTP1

/// What the requests of both protocols have in their headers.
extension HTTPHeaders {
    mutating func addHost(_ endpoint: GatewayConfiguration.Endpoint) {
        let host = endpoint.host.utf8.contains(0x3A) ? "[\(endpoint.host)]" : endpoint.host
        let isDefault = endpoint.port == (endpoint.isSecure ? 443 : 80)
        add(name: "Host", value: isDefault ? host : "\(host):\(endpoint.port)")
    }

    /// What it carries, who asks, with which key, and for which trace.
    mutating func addRequest(of configuration: GatewayConfiguration, traceparent: String?) {
        add(name: "Content-Type", value: "application/json")
        add(name: "User-Agent", value: "chat-worker")
        if !configuration.apiKey.isEmpty {
            add(name: "Authorization", value: "Bearer \(configuration.apiKey)")
        }
        if let traceparent, Self.isTraceparent(traceparent) {
            add(name: "traceparent", value: traceparent)
        }
    }

    /// It comes from a customer: nothing but the characters of a trace context may reach a header.
    private static func isTraceparent(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) || $0 == 0x2D }
    }
}
