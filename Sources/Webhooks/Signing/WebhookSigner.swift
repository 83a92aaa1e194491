internal import Crypto

/// Signs as Standard Webhooks asks for: `v1`, HMAC-SHA256 of `id.timestamp.body`, and where there is a key for it also
/// `v1a`, ed25519 of the same bytes.
public struct WebhookSigner: Sendable {
    /// The current secret first, then those still in rotation: a receiver that knows any of them verifies.
    public let secrets: [WebhookSecret]

    public let signingKey: WebhookSigningKey?

    public init(secrets: [WebhookSecret], signingKey: WebhookSigningKey? = nil) {
        self.secrets = secrets
        self.signingKey = signingKey
    }

    /// The value of `webhook-signature`: a signature for every secret, separated by spaces.
    /// - Parameter timestamp: seconds since 1970, those of this try.
    public func signature(id: String, timestamp: Int64, body: some Sequence<UInt8>) -> String {
        let message = Self.message(id: id, timestamp: "\(timestamp)", body: body)
        var signatures = self.secrets.map { secret in
            let code = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: secret.key))
            return "v1," + Base64.encode(Array(code))
        }
        // Never alone, and never first: the official libraries know only v1.
        if let signature = self.signingKey?.signature(of: message) {
            signatures.append("v1a," + Base64.encode(signature))
        }
        return signatures.joined(separator: " ")
    }

    static func message(id: String, timestamp: String, body: some Sequence<UInt8>) -> [UInt8] {
        Array("\(id).\(timestamp).".utf8) + body
    }
}
