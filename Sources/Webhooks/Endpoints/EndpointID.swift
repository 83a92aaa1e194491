internal import Crypto

/// What an endpoint is known by to its breaker, its slots, the journal and the operator: the name that the configuration
/// gives it, which all customers share; or for a URL its origin and a fingerprint of the customer and the whole URL. Two
/// customers that name one URL, and two URLs that differ in their queries, may be different receivers behind one address:
/// none of them must be able to turn the other off. Path and query may hold a customer's token and are never shown.
public struct EndpointID: Sendable, Hashable, CustomStringConvertible {
    public let text: String

    /// - Parameter customer: whose webhooks go there.
    public init(_ target: WebhookTarget, customer: String) {
        switch target {
        case .endpoint(let name): text = name
        case .url(let url): text = Self.text(url, customer)
        }
    }

    /// As it stands in an event.
    public init(text: String) { self.text = text }

    public var description: String { text }

    /// One that the configuration does not name.
    public var isURL: Bool { text.contains("#") }

    /// 64 bits of a hash: two that fall together would only share a breaker. No customer's name has a line break.
    private static func text(_ url: String, _ customer: String) -> String {
        guard let parsed = try? WebhookURL(parsing: url) else { return "invalid" }
        let hash = SHA256.hash(data: Array("\(customer)\n\(parsed.text)".utf8)).prefix(8)
        let digits = hash.map { byte in
            let text = String(byte, radix: 16)
            return byte < 16 ? "0" + text : text
        }
        return "\(parsed.origin)#\(digits.joined())"
    }
}

extension WebhookTask {
    /// Where it goes.
    public var endpoint: EndpointID { EndpointID(target, customer: customer) }
}
