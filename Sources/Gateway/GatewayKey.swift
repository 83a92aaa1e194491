/// One of a gateway's API keys.
public struct GatewayKey: Sendable, Equatable, CustomStringConvertible {
    /// Where it comes from: the file, or the variable. For logs and people.
    public var source: String
    /// Sent in `GatewayConfiguration.keyHeader`; empty: nothing is. Never logged, never part of an error.
    public var secret: String
    /// Sent beside it, with every upgrade and every request. Secret as well. A key with other headers is another key:
    /// connections that were opened with it are not used for this one.
    public var headers: [Header]

    /// `Name: value`.
    public struct Header: Sendable, Equatable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    public init(source: String, secret: String, headers: [Header] = []) {
        self.source = source
        self.secret = secret
        self.headers = headers
    }

    public var description: String { source }
}
