internal import Crypto

/// Signs as Standard Webhooks v1 asks for: HMAC-SHA256 of `id.timestamp.body`.
public struct WebhookSigner: Sendable {
    /// The current secret first, then those still in rotation: a receiver that knows any of them verifies.
    public let secrets: [WebhookSecret]

    public init(secrets: [WebhookSecret]) {
        self.secrets = secrets
    }

    /// The value of `webhook-signature`: a signature for every secret, separated by spaces.
    /// - Parameter timestamp: seconds since 1970, those of this try.
    public func signature(id: String, timestamp: Int64, body: some Sequence<UInt8>) -> String {
        let message = Self.message(id: id, timestamp: "\(timestamp)", body: body)
        return self.secrets.map { secret in
            let code = HMAC<SHA256>.authenticationCode(for: message, using: SymmetricKey(data: secret.key))
            return "v1," + Base64.encode(Array(code))
        }.joined(separator: " ")
    }

    static func message(id: String, timestamp: String, body: some Sequence<UInt8>) -> [UInt8] {
        Array("\(id).\(timestamp).".utf8) + body
    }
}
