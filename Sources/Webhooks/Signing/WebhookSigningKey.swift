internal import Crypto

/// An ed25519 key of Standard Webhooks (`v1a`): `whsk_` and the base64 of its 32-byte seed, or of seed and public key as
/// libsodium writes them (64 bytes). It never prints itself.
public struct WebhookSigningKey: Sendable, Equatable {
    /// What is wrong with a key; never a part of it.
    public enum Invalid: Error, Equatable, CustomStringConvertible {
        case missingPrefix
        case notBase64
        case wrongLength(bytes: Int)
        /// Its second half is not the public key of its first half.
        case mismatch

        public var description: String {
            switch self {
            case .missingPrefix: "an ed25519 webhook key starts with whsk_"
            case .notBase64: "what follows whsk_ is not padded base64"
            case .wrongLength(let bytes): "an ed25519 webhook key has 32 or 64 bytes, this one \(bytes)"
            case .mismatch: "the public half of this ed25519 key does not belong to its private half"
            }
        }
    }

    public static let prefix = "whsk_"
    private let seed: [UInt8]
    private let publicBytes: [UInt8]

    public init(_ text: some StringProtocol) throws(Invalid) {
        guard text.utf8.starts(with: Self.prefix.utf8) else { throw .missingPrefix }
        guard let bytes = Base64.decode(text.utf8.dropFirst(Self.prefix.utf8.count)) else { throw .notBase64 }
        guard bytes.count == 32 || bytes.count == 64 else { throw .wrongLength(bytes: bytes.count) }
        seed = Array(bytes.prefix(32))
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else {
            throw .wrongLength(bytes: bytes.count)
        }
        publicBytes = Array(key.publicKey.rawRepresentation)
        guard bytes.count == 32 || bytes.suffix(32) == publicBytes[...] else { throw .mismatch }
    }

    /// For whoever verifies.
    public var publicKey: String { "whpk_" + Base64.encode(publicBytes) }

    /// `nil` where the library refuses, which it does for no message.
    func signature(of message: [UInt8]) -> [UInt8]? {
        guard let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: seed) else { return nil }
        return (try? key.signature(for: message)).map { Array($0) }
    }
}

extension WebhookSigningKey: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "whsk_(redacted)" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
