import Testing

@testable import Webhooks

@Suite struct WebhookSecretTests {
    @Test(arguments: [24, 25, 32, 33, 63, 64]) func roundTrips(length: Int) throws {
        let key = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        let secret = try WebhookSecret(key: key)
        #expect(try WebhookSecret(secret.reveal()) == secret)
        #expect(secret.key == key)
    }

    @Test(
        arguments: [
            ("", .missingPrefix), ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", .missingPrefix), ("WHSEC_MfKQ", .missingPrefix),
            (" whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", .missingPrefix),
            ("whsec_", .wrongLength(bytes: 0)), ("whsec_AAAA", .wrongLength(bytes: 3)),
            ("whsec_" + Base64.encode([UInt8](repeating: 1, count: 23)), .wrongLength(bytes: 23)),
            ("whsec_" + Base64.encode([UInt8](repeating: 1, count: 65)), .wrongLength(bytes: 65)),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n", .notBase64),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS", .notBase64),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa_-", .notBase64),
            ("whsec_MfKQ=r8GKYqrTwjUPD8ILPZIo2LaLaSw", .notBase64),
            ("whsec_====", .notBase64), ("whsec_A===", .notBase64),
        ] as [(String, WebhookSecret.Invalid)])
    func refuses(text: String, error: WebhookSecret.Invalid) {
        #expect(throws: error) { try WebhookSecret(text) }
    }

    @Test func neverPrintsItself() throws {
        let secret = WebhookSecret.random()
        var dumped = ""
        dump(secret, to: &dumped)
        let texts = ["\(secret)", "\([secret])", String(reflecting: secret), dumped, "\(Optional(secret) as Any)"]
        for text in texts {
            #expect(!text.contains(secret.reveal().dropFirst(6).prefix(8)))
            #expect(!text.contains("\(secret.key[0]), "))
        }
        let configuration = WebhookConfiguration(customerSecrets: ["a": [secret]])
        #expect(!"\(configuration)".contains(secret.reveal().dropFirst(6).prefix(8)))
    }

    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ])
    func base64(plain: String, encoded: String) {
        #expect(Base64.encode(Array(plain.utf8)) == encoded)
        #expect(Base64.decode(encoded.utf8) == Array(plain.utf8))
    }
}

@Suite struct SignatureTests {
    /// The vector of the Standard Webhooks reference libraries.
    private static let body = Array(#"{"test": 2432232314}"#.utf8)
    private static let id = "msg_p5jXN8AQM9LWM0D4loKWxJek"
    private static let timestamp: Int64 = 1_614_265_330
    private static let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    private static func secret() throws -> WebhookSecret {
        try WebhookSecret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    }

    @Test func matchesTheReferenceVector() throws {
        let signer = WebhookSigner(secrets: [try Self.secret()])
        #expect(signer.signature(id: Self.id, timestamp: Self.timestamp, body: Self.body) == Self.expected)
    }

    @Test func signsWithEverySecretTheCurrentFirst() throws {
        let other = WebhookSecret.random()
        let both = WebhookSigner(secrets: [try Self.secret(), other])
            .signature(id: Self.id, timestamp: Self.timestamp, body: Self.body)
        let alone = WebhookSigner(secrets: [other])
            .signature(id: Self.id, timestamp: Self.timestamp, body: Self.body)
        #expect(both == "\(Self.expected) \(alone)")
        for secret in [try Self.secret(), other] {
            let verifier = WebhookVerifier(secrets: [secret])
            try verifier.verify(
                id: Self.id, timestamp: "1614265330", signatures: both, body: Self.body, now: Self.timestamp)
        }
    }

    @Test(
        arguments: [
            (Self.id, "1614265330", Self.expected, 0, nil),
            (Self.id, "1614265330", Self.expected, 300, nil),
            (Self.id, "1614265330", Self.expected, -300, nil),
            (Self.id, "1614265330", "v1a,AAAA v2,x v1, v1,!!! " + Self.expected, 0, nil),
            (Self.id, "1614265330", Self.expected, 301, .timestampOutOfTolerance),
            (Self.id, "1614265330", Self.expected, -301, .timestampOutOfTolerance),
            (Self.id, "1614265330.0", Self.expected, 0, .badTimestamp),
            (Self.id, "+1614265330", Self.expected, 0, .badTimestamp),
            (Self.id, "", Self.expected, 0, .badTimestamp),
            (Self.id, "99999999999999999999", Self.expected, 0, .badTimestamp),
            (Self.id, "-9223372036854775808", Self.expected, 0, .timestampOutOfTolerance),
            (Self.id, "1614265331", Self.expected, 0, .noMatchingSignature),
            ("msg_other", "1614265330", Self.expected, 0, .noMatchingSignature),
            (Self.id, "1614265330", "", 0, .noMatchingSignature),
            (Self.id, "1614265330", String(Self.expected.dropFirst(3)), 0, .noMatchingSignature),
            (Self.id, "1614265330", Self.expected.replacing("v1,", with: "v1a,"), 0, .noMatchingSignature),
            (Self.id, "1614265330", Self.expected.replacing("g0hM", with: "G0hM"), 0, .noMatchingSignature),
        ] as [(String, String, String, Int64, WebhookVerifier.Failure?)])
    func verifies(
        id: String, timestamp: String, signatures: String, age: Int64, failure: WebhookVerifier.Failure?
    ) throws {
        let verifier = WebhookVerifier(secrets: [WebhookSecret.random(), try Self.secret()])
        var thrown: WebhookVerifier.Failure?
        do throws(WebhookVerifier.Failure) {
            try verifier.verify(
                id: id, timestamp: timestamp, signatures: signatures, body: Self.body, now: Self.timestamp + age)
        } catch {
            thrown = error
        }
        #expect(thrown == failure)
    }

    @Test func refusesAChangedBodyAndMissingHeaders() throws {
        let verifier = WebhookVerifier(secrets: [try Self.secret()])
        let headers = [
            "webhook-id": Self.id, "webhook-timestamp": "\(Self.timestamp)", "webhook-signature": Self.expected,
        ]
        try verifier.verify(headers: { headers[$0] }, body: Self.body, now: Self.timestamp)
        #expect(throws: WebhookVerifier.Failure.noMatchingSignature) {
            try verifier.verify(headers: { headers[$0] }, body: Self.body + [32], now: Self.timestamp)
        }
        for name in headers.keys {
            #expect(throws: WebhookVerifier.Failure.missingHeader(name)) {
                try verifier.verify(
                    headers: { $0 == name ? nil : headers[$0] }, body: Self.body, now: Self.timestamp)
            }
        }
    }
}

@Suite struct WebhookIDTests {
    /// Computed by another program; they must never change.
    @Test(arguments: [
        ("acme", "job-1", "msg_kvjgm2pchvryjsl5yrxcgbx245n2su7d"),
        ("a", "bc", "msg_ilhlxna6safumnspph45aryug232ulhn"),
        ("ab", "c", "msg_d7a42gns4sec4uiv5xdq3eb66abaxjug"),
        ("acme", "job-2", "msg_paoqvrfwc5dn44k7hjsiukplh34dghro"),
    ])
    func isTheSameForEver(customer: String, job: String, id: String) {
        #expect(WebhookID.derive(customer: customer, job: job) == id)
    }
}
