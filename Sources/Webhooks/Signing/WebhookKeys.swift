/// What an endpoint's, or a customer's, webhooks are signed with.
public struct WebhookKeys: Sendable, Equatable {
    /// The current one first, then those that it replaces.
    public var secrets: [WebhookSecret]
    /// For an additional `v1a` signature.
    public var signingKey: WebhookSigningKey?
    /// Milliseconds since 1970 until which the replaced ones sign too; `nil`: for as long as they are listed.
    public var overlapEnd: Int64?

    public init(secrets: [WebhookSecret], signingKey: WebhookSigningKey? = nil, overlapEnd: Int64? = nil) {
        self.secrets = secrets
        self.signingKey = signingKey
        self.overlapEnd = overlapEnd
    }

    /// - Parameter now: milliseconds since 1970.
    func signer(now: Int64) -> WebhookSigner {
        let isOver = overlapEnd.map { now >= $0 } ?? false
        return WebhookSigner(secrets: isOver ? Array(secrets.prefix(1)) : secrets, signingKey: signingKey)
    }
}
