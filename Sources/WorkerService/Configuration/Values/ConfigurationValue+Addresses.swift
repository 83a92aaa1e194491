import Webhooks

extension ConfigurationValue<ServiceURL> {
    /// `amqp://user@host:port/vhost`.
    static var broker: Self {
        .text("amqp:// or amqps:// URL without a password") { text throws(ConfigurationValueError) in
            let url = try ServiceURL.parse(text, schemes: ["amqp", "amqps"])
            if url.query != nil { throw ConfigurationValueError("takes no query (?...); use the keys of [broker]") }
            if url.path.dropFirst().contains("/") {
                throw ConfigurationValueError("a / in a virtual host's name is written %2F")
            }
            _ = try ServiceURL.decoded(url.path.dropFirst())
            return url
        } render: {
            $0.description
        }
    }

    /// `wss://host/v1` or `https://host/v1`.
    static var gateway: Self {
        .text("ws://, wss://, http:// or https:// URL") { text throws(ConfigurationValueError) in
            let url = try ServiceURL.parse(
                text, schemes: ["wss", "ws", "https", "http"],
                password:
                    "put the key into a file and name that with key_file (how it is sent: key_header, key_prefix)"
            )
            if url.user != nil { throw ConfigurationValueError("takes no user; the key stands in key_file") }
            for item in (url.query ?? "").split(separator: "&") {
                let name = String(item.prefix { $0 != "=" })
                if name == "model" {
                    throw ConfigurationValueError("takes no `model` in its query; it is put in by itself")
                }
                if SecretSpelling.isSecret(name) {
                    throw ConfigurationValueError("takes no `\(name)` in its query; the key stands in key_file")
                }
            }
            return url
        } render: {
            $0.description
        }
    }

    static var webhook: Self {
        .text("https:// URL") { text throws(ConfigurationValueError) in
            let header =
                "if the endpoint asks for one, put the line `Authorization: Basic ...` into the file of headers_file"
            let url = try ServiceURL.parse(
                text, schemes: ["https", "http"], password: "every post is signed instead; \(header)")
            if url.user != nil {
                throw ConfigurationValueError("takes no user; every post is signed instead; \(header)")
            }
            return url
        } render: {
            $0.description
        }
    }
}

extension ConfigurationValue<ServiceURL> {
    /// Before webhooks' receivers.
    static var proxy: Self {
        proxy(
            before: "https:// endpoints",
            password: "write user and password, as USER:PASSWORD, into the file of webhooks.proxy_credentials_file")
    }

    /// Before a model gateway.
    static var gatewayProxy: Self {
        proxy(
            before: "wss:// and https:// gateways",
            password: "put the line user:password into a file and name that with proxy_credentials_file")
    }

    private static func proxy(before peers: String, password: String) -> Self {
        .text("http:// URL of a host and port") { text throws(ConfigurationValueError) in
            if text.lowercased().hasPrefix("https://") {
                throw ConfigurationValueError(
                    "must begin with http://: TLS to the proxy itself is not supported (what goes to \(peers) "
                        + "is encrypted through it all the same)")
            }
            let url = try ServiceURL.parse(
                text, schemes: ["http"], password: password)
            guard url.user == nil, url.query == nil, url.path.isEmpty || url.path == "/" else {
                throw ConfigurationValueError("takes only a host and a port, as http://proxy.internal:3128")
            }
            return url
        } render: {
            $0.description
        }
    }
}

extension ConfigurationValue<HostRules.Pattern> {
    static var hostPattern: Self {
        .text("host, or *.domain for all hosts under it") { text throws(ConfigurationValueError) in
            guard let pattern = HostRules.Pattern(text) else {
                throw ConfigurationValueError("must be a host without a port, or *. and a domain")
            }
            return pattern
        } render: {
            $0.description
        }
    }
}

/// A broker node of `broker.hosts`.
public struct BrokerHost: Sendable, Equatable {
    public var host: String
    /// `nil` is the port of `broker.url`.
    public var port: Int?

    public init(host: String, port: Int? = nil) {
        self.host = host
        self.port = port
    }
}

extension ConfigurationValue<BrokerHost> {
    static var brokerHost: Self {
        .text("host or host:port") { text throws(ConfigurationValueError) in
            let (host, port) = try ServiceURL.hostAndPort(text[...])
            return BrokerHost(host: host, port: port)
        } render: { host in
            (host.host.contains(":") ? "[\(host.host)]" : host.host) + (host.port.map { ":\($0)" } ?? "")
        }
    }
}

extension ConfigurationValue<CIDRBlock> {
    static var network: Self {
        .text("network, as 10.0.0.0/8 or fd00::/8") { text throws(ConfigurationValueError) in
            if let block = CIDRBlock(text) { return block }
            throw ConfigurationValueError(
                "is not a network; write an address, /, and the number of leading bits, with no bit set behind them "
                    + "(10.0.0.0/8, 127.0.0.1/32, fd00::/8)")
        } render: {
            $0.description
        }
    }
}

extension ConfigurationValue<String> {
    /// A host as it stands in a URL, without port and brackets.
    static var host: Self {
        text("host name or address").checked { text in
            if text.contains(":") { return IPAddress(text) == nil ? "must be a host without a port" : nil }
            do throws(ConfigurationValueError) {
                _ = try ServiceURL.hostAndPort(text[...])
                return nil
            } catch {
                return error.message
            }
        }
    }
}
