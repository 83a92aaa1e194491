internal import Crypto

/// What an endpoint is known by to its breaker, its slots, the journal and the operator: the name that the configuration
/// gives it, or for a URL its origin and a fingerprint. The path may hold a customer's token and is never shown; the query
/// is left out, so that a URL with a changing one stays one endpoint.
public struct EndpointID: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    public init(_ target: WebhookTarget) {
        switch target {
        case .endpoint(let name): text = name
        case .url(let url): text = Self.text(url)
        }
    }

    /// As it stands in an event.
    public init(text: String) { self.text = text }

    public var description: String { text }

    /// 64 bits of a hash: two URLs that fall together would only share a breaker.
    private static func text(_ url: String) -> String {
        guard let parsed = try? WebhookURL(parsing: url) else { return "invalid" }
        let path = parsed.pathAndQuery.prefix { $0 != "?" }
        let hash = SHA256.hash(data: Array("\(parsed.origin)\(path)".utf8)).prefix(8)
        let digits = hash.map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }
        return "\(parsed.origin)#\(digits.joined())"
    }
}
