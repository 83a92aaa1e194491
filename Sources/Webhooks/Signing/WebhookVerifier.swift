internal import Crypto

/// The receiver's half of Standard Webhooks v1.
public struct WebhookVerifier: Sendable {
    public enum Failure: Error, Sendable, Equatable {
        case missingHeader(String)
        case badTimestamp
        /// Older, or farther in the future, than the tolerance.
        case timestampOutOfTolerance
        case noMatchingSignature
    }

    /// Any of them may have signed.
    public let secrets: [WebhookSecret]
    /// Seconds before and after now.
    public let tolerance: Int64

    /// - Parameter tolerance: seconds; the reference libraries take five minutes.
    public init(secrets: [WebhookSecret], tolerance: Int64 = 300) {
        self.secrets = secrets
        self.tolerance = tolerance
    }

    /// - Parameters:
    ///   - headers: a look-up that ignores the case of names.
    ///   - now: seconds since 1970.
    public func verify(
        headers: (String) -> String?, body: some Sequence<UInt8>, now: Int64
    ) throws(Failure) {
        guard let id = headers("webhook-id"), !id.isEmpty else { throw .missingHeader("webhook-id") }
        guard let timestamp = headers("webhook-timestamp") else { throw .missingHeader("webhook-timestamp") }
        guard let signatures = headers("webhook-signature") else { throw .missingHeader("webhook-signature") }
        try self.verify(id: id, timestamp: timestamp, signatures: signatures, body: body, now: now)
    }

    public func verify(
        id: String, timestamp: String, signatures: String, body: some Sequence<UInt8>, now: Int64
    ) throws(Failure) {
        guard let seconds = Int64(timestamp), "\(seconds)" == timestamp else { throw .badTimestamp }
        let (difference, overflow) = now.subtractingReportingOverflow(seconds)
        guard !overflow, difference.magnitude <= self.tolerance.magnitude else { throw .timestampOutOfTolerance }

        let message = WebhookSigner.message(id: id, timestamp: timestamp, body: body)
        // Every pair is compared, each in constant time: how long it takes tells nothing about which one matched.
        var matches = false
        for candidate in signatures.split(separator: " ") where candidate.utf8.starts(with: "v1,".utf8) {
            guard let code = Base64.decode(candidate.utf8.dropFirst(3)) else { continue }
            for secret in self.secrets {
                let isValid = HMAC<SHA256>.isValidAuthenticationCode(
                    code, authenticating: message, using: SymmetricKey(data: secret.key))
                matches = isValid || matches
            }
        }
        guard matches else { throw .noMatchingSignature }
    }
}
