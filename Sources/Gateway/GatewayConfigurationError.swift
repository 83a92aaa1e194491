/// A configuration that must not reach the wire. Never holds the value itself.
public enum GatewayConfigurationError: Error, Equatable, CustomStringConvertible {
    /// The path has to start with `/` and be printable ASCII without spaces.
    case invalidPath
    /// The host has to be printable ASCII without spaces.
    case invalidHost
    case invalidPort
    /// The key has to be printable ASCII without spaces.
    case invalidKey
    /// Sizes and counts have to be positive, messages under 4 GiB.
    case invalidLimit

    public var description: String {
        switch self {
        case .invalidPath: "the gateway's path is not one that a request line can carry"
        case .invalidHost: "the gateway's host is not a host name or an address"
        case .invalidPort: "the gateway's port is not from 1 to 65535"
        case .invalidKey: "the gateway's key has characters that a header cannot carry"
        case .invalidLimit: "a limit of the gateway is out of range"
        }
    }

    static func check(_ configuration: GatewayConfiguration) throws(GatewayConfigurationError) {
        let endpoint = configuration.endpoint
        guard endpoint.path.utf8.first == 0x2F, isPlain(endpoint.path), !endpoint.path.utf8.contains(0x23)
        else { throw .invalidPath }
        guard !endpoint.host.isEmpty, isPlain(endpoint.host) else { throw .invalidHost }
        guard (1...65_535).contains(endpoint.port) else { throw .invalidPort }
        guard isPlain(configuration.apiKey) else { throw .invalidKey }
        guard (1..<Int(UInt32.max)).contains(configuration.maximumMessageSize), configuration.maximumFragments > 0,
            configuration.maximumIdle >= 0
        else { throw .invalidLimit }
    }

    private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { (0x21...0x7E).contains($0) } }
}
