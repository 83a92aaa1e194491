import ChatModel

/// A configuration that must not reach the wire. Never holds the value itself.
public enum GatewayConfigurationError: Error, Equatable, CustomStringConvertible {
    /// The path has to start with `/` and be printable ASCII without spaces.
    case invalidPath
    /// The host has to be printable ASCII without spaces.
    case invalidHost
    case invalidPort
    /// The key has to be printable ASCII without spaces.
    case invalidKey
    /// The name of the key's header has to be a name of RFC 9110, and none that the request has anyway.
    case invalidKeyHeader
    /// A header has to have such a name, and a value of printable ASCII.
    case invalidHeader
    /// Host, port and authorization of the proxy, as those of the gateway.
    case invalidProxy
    /// Sizes and counts have to be positive, messages under 4 GiB.
    case invalidLimit

    public var description: String {
        switch self {
        case .invalidPath: "the gateway's path is not one that a request line can carry"
        case .invalidHost: "the gateway's host is not a host name or an address"
        case .invalidPort: "the gateway's port is not from 1 to 65535"
        case .invalidKey: "the gateway's key has characters that a header cannot carry"
        case .invalidKeyHeader: "the gateway's key cannot be sent in a header of that name"
        case .invalidHeader: "one of the gateway's headers has a name or a value that cannot be sent"
        case .invalidProxy: "the proxy's host, port or credentials cannot be used"
        case .invalidLimit: "a limit of the gateway is out of range"
        }
    }

    static func check(_ configuration: GatewayConfiguration) throws(GatewayConfigurationError) {
        let endpoint = configuration.endpoint
        guard endpoint.path.utf8.first == 0x2F, isPlain(endpoint.path), !endpoint.path.utf8.contains(0x23)
        else { throw .invalidPath }
        guard !endpoint.host.isEmpty, isPlain(endpoint.host) else { throw .invalidHost }
        guard (1...65_535).contains(endpoint.port) else { throw .invalidPort }
        guard configuration.keys.allSatisfy({ isPlain($0.secret) }) else { throw .invalidKey }
        guard canCarryKey(configuration.keyHeader) else { throw .invalidKeyHeader }
        for header in configuration.keys.flatMap(\.headers) {
            guard canBeAdded(header.name), isText(header.value) else { throw .invalidHeader }
        }
        if let proxy = configuration.proxy {
            guard !proxy.host.isEmpty, isPlain(proxy.host), (1...65_535).contains(proxy.port),
                isText(proxy.authorization ?? "none")
            else { throw .invalidProxy }
        }
        guard (1..<Int(UInt32.max)).contains(configuration.maximumMessageSize), configuration.maximumFragments > 0,
            configuration.maximumIdle >= 0, configuration.minimumIdle >= 0
        else { throw .invalidLimit }
    }

    /// Whether a key may travel in a header of this name.
    public static func canCarryKey(_ name: String) -> Bool {
        // Before its case is changed: some letters are ASCII only in lower case.
        guard HTTPFieldName.isToken(name) else { return false }
        let name = name.lowercased()
        return !taken.contains(name) && !name.hasPrefix("sec-websocket-")
    }

    /// Whether a header of this name may be added to requests. What concerns a proxy is not for the gateway.
    public static func canBeAdded(_ name: String) -> Bool {
        canCarryKey(name) && !name.lowercased().hasPrefix("proxy-")
    }

    private static func isText(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x09 }
    }

    /// What a request says itself, and what HTTP means something else by.
    private static let taken = HTTPFieldName.ofTheMessage.union([
        "accept", "user-agent", "keep-alive", "proxy-connection",
    ])

    private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { (0x21...0x7E).contains($0) } }
}
