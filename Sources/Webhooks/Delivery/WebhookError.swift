/// Why a webhook cannot be posted as it stands. Says what is wrong without repeating a URL or a secret.
public enum WebhookError: Error, Sendable, Equatable, CustomStringConvertible {
    case invalidURL(WebhookURL.Problem)
    case invalidEndpointName
    case unknownEndpoint(String)
    /// Plain http to a host that the configuration does not list.
    case insecure(host: String)
    /// The URL names an address, and the address is refused.
    case refusedAddress(IPAddress, AddressGuard.Refusal)
    /// `allow_hosts` or `deny_hosts`.
    case refusedHost(String)
    /// Neither the endpoint nor the customer has a secret, and there is no default.
    case noSecret(customer: String)

    public var description: String {
        switch self {
        case .invalidURL(let problem): "the webhook's URL \(problem)"
        case .invalidEndpointName: "the webhook is neither a URL nor the name of an endpoint"
        case .unknownEndpoint(let name): "there is no webhook endpoint named \(name)"
        case .insecure(let host): "plain http is not allowed for \(host): use https"
        case .refusedAddress(let address, let refusal): "the address \(address) is refused (\(refusal))"
        case .refusedHost(let host): "webhooks to \(host) are not allowed (webhooks.allow_hosts, webhooks.deny_hosts)"
        case .noSecret(let customer): "there is no webhook secret for customer \(customer)"
        }
    }
}
