/// One of a gateway's API keys.
public struct GatewayKey: Sendable, Equatable, CustomStringConvertible {
    /// Where it comes from: the file, or the variable. For logs and people.
    public var source: String
    /// Sent in `GatewayConfiguration.keyHeader`; empty: nothing is. Never logged, never part of an error.
    public var secret: String

    public init(source: String, secret: String) {
        self.source = source
        self.secret = secret
    }

    public var description: String { source }
}
