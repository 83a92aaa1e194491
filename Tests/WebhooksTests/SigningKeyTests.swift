import Crypto
import Testing

@testable import Webhooks

@Suite struct SigningKeyTests {
    private static let seed = (0..<32).map { UInt8($0) }

    @Test func signsBesidesV1AndAfterIt() throws {
        let key = try WebhookSigningKey("whsk_" + Base64.encode(Self.seed))
        let secret = try WebhookSecret(key: [UInt8](repeating: 7, count: 24))
        let signature = WebhookSigner(secrets: [secret], signingKey: key)
            .signature(id: "msg_1", timestamp: 1, body: Array("{}".utf8))
        let parts = signature.split(separator: " ")
        try #require(parts.count == 2)
        #expect(parts[0].hasPrefix("v1,") && parts[1].hasPrefix("v1a,"))
        let raw = try #require(Base64.decode(Array(key.publicKey.utf8.dropFirst(5))))
        let publicKey = try Curve25519.Signing.PublicKey(rawRepresentation: raw)
        let bytes = try #require(Base64.decode(Array(parts[1].utf8.dropFirst(4))))
        #expect(publicKey.isValidSignature(bytes, for: Array("msg_1.1.{}".utf8)))
        #expect(!publicKey.isValidSignature(bytes, for: Array("msg_1.2.{}".utf8)))
    }

    /// libsodium's form holds both halves.
    @Test func takesSeedOrBothHalves() throws {
        let short = try WebhookSigningKey("whsk_" + Base64.encode(Self.seed))
        let raw = try #require(Base64.decode(Array(short.publicKey.utf8.dropFirst(5))))
        #expect(try WebhookSigningKey("whsk_" + Base64.encode(Self.seed + raw)).publicKey == short.publicKey)
        #expect(throws: WebhookSigningKey.Invalid.mismatch) {
            try WebhookSigningKey("whsk_" + Base64.encode(Self.seed + Self.seed))
        }
        #expect(throws: WebhookSigningKey.Invalid.wrongLength(bytes: 31)) {
            try WebhookSigningKey("whsk_" + Base64.encode(Self.seed.dropLast()))
        }
        #expect(throws: WebhookSigningKey.Invalid.missingPrefix) { try WebhookSigningKey("whsec_AAAA") }
        #expect("\(short)" == "whsk_(redacted)")
    }

    @Test func replacedSecretsSignUntilTheOverlapEnds() throws {
        let secrets = try (1...2).map { try WebhookSecret(key: [UInt8](repeating: $0, count: 24)) }
        let keys = WebhookKeys(secrets: secrets, overlapEnd: 1_000)
        #expect(keys.signer(now: 999).secrets == secrets)
        #expect(keys.signer(now: 1_000).secrets == [secrets[0]])
        #expect(WebhookKeys(secrets: secrets).signer(now: .max).secrets == secrets)
    }
}
