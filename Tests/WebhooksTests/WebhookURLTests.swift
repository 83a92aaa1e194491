import Testing

@testable import Webhooks

@Suite struct WebhookURLTests {
    @Test(arguments: [
        ("https://example.com", "https://example.com", "/", 443),
        ("https://example.com/", "https://example.com", "/", 443),
        ("HTTPS://Example.COM:443/A?b=C", "https://example.com", "/A?b=C", 443),
        ("http://example.com:8080/x", "http://example.com:8080", "/x", 8080),
        ("http://example.com:80", "http://example.com", "/", 80),
        ("https://example.com?x=1", "https://example.com", "/?x=1", 443),
        ("https://my_service/x", "https://my_service", "/x", 443),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example", "/", 443),
        ("https://1.example.com/", "https://1.example.com", "/", 443),
        ("https://10.0.0.1.example/", "https://10.0.0.1.example", "/", 443),
        ("https://8.8.8.8:8443/a@b:c//d", "https://8.8.8.8:8443", "/a@b:c//d", 8443),
        ("https://[2001:DB8::1]:8443/x", "https://[2001:db8::1]:8443", "/x", 8443),
        ("https://[::ffff:127.0.0.1]/", "https://127.0.0.1", "/", 443),
        (
            "https://example.com/%7Euser/a%2Fb/../c;p=1?q=%20'()*!$&,+=@:/?", "https://example.com",
            "/%7Euser/a%2Fb/../c;p=1?q=%20'()*!$&,+=@:/?", 443
        ),
    ])
    func parses(text: String, origin: String, path: String, port: Int) throws {
        let url = try WebhookURL(parsing: text)
        #expect(url.origin == origin)
        #expect(url.pathAndQuery == path)
        #expect(url.port == port)
        #expect(try WebhookURL(parsing: url.text) == url)
    }

    @Test(
        arguments: [
            ("", .empty), ("https://" + String(repeating: "a", count: 2_048), .tooLong),
            ("example.com", .scheme), ("//example.com", .scheme), ("https:/example.com", .scheme),
            ("https:example.com", .scheme),
            ("ftp://example.com", .scheme), ("file:///etc/passwd", .scheme), ("http+unix://x/", .scheme),
            ("ws://x/", .scheme),
            ("javascript:alert(1)", .scheme), ("unix:/run/x", .scheme),
            (" https://example.com", .forbiddenCharacter), ("https://example.com ", .forbiddenCharacter),
            ("https://example.com/\r\nX: y", .forbiddenCharacter), ("https://exa\tmple.com", .forbiddenCharacter),
            ("https://example.com/\u{0}", .forbiddenCharacter), ("https://example.com/\u{7f}", .forbiddenCharacter),
            ("https://evil.com\\@127.0.0.1/", .forbiddenCharacter), ("https:\\\\127.0.0.1/", .forbiddenCharacter),
            ("https://example.com/bücher", .forbiddenCharacter), ("https://ü@example.com/", .forbiddenCharacter),
            ("https://example.com/{id}", .forbiddenCharacter),
            ("https://bücher.example/", .internationalHost(ascii: "xn--bcher-kva.example")),
            ("https://BÜCHER.example:8443/x", .internationalHost(ascii: "xn--bcher-kva.example")),
            ("https://m%C3%BCnchen.example/", .internationalHost(ascii: "xn--mnchen-3ya.example")),
            ("https://faß.example/", .internationalHost(ascii: "xn--fa-hia.example")),
            ("https://日本語。jp/", .internationalHost(ascii: "xn--wgv71a119e.jp")),
            ("https://мир.рф?q", .internationalHost(ascii: "xn--h1ahn.xn--p1ai")),
            ("https://example。com/", .internationalHost(ascii: "example.com")),
            // Read as others by the rules, or as none.
            ("https://１２７.0.0.1/", .internationalHost(ascii: nil)),
            ("https://a\u{0301}.example/", .internationalHost(ascii: nil)),
            ("https://ﬁsh.example/", .internationalHost(ascii: nil)),
            ("https://☃.example/", .internationalHost(ascii: nil)),
            ("https://\u{200d}.example/", .internationalHost(ascii: nil)),
            ("https://ü..example/", .internationalHost(ascii: nil)),
            ("https://" + String(repeating: "ü", count: 64) + ".example/", .internationalHost(ascii: nil)),
            ("https://example.com/?a[]=1", .forbiddenCharacter), ("https://example.com/[", .forbiddenCharacter),
            ("https://example.com/%zz", .badPercentEncoding), ("https://example.com/%4", .badPercentEncoding),
            ("https://example.com/%", .badPercentEncoding),
            ("https://user@example.com/", .userInfo), ("https://user:pw@example.com/", .userInfo),
            ("https://example.com@127.0.0.1/", .userInfo), ("https://@example.com/", .userInfo),
            ("https://example.com:443@127.0.0.1/", .userInfo),
            ("https://example.com/#x", .fragment), ("https://example.com#@127.0.0.1/", .fragment),
            ("https://", .noHost), ("https:///path", .noHost), ("https://:443/", .noHost), ("https://?x", .noHost),
            ("https://exa%6dple.com/", .badHost), ("https://-a.com/", .badHost), ("https://a-.com/", .badHost),
            ("https://a..b/", .badHost), ("https://example.com./", .badHost), ("https://.example.com/", .badHost),
            ("https://a,b/", .badHost), ("https://127.0.0.1./", .badHost), ("https://127.1./", .badHost),
            ("https://" + String(repeating: "a", count: 64) + ".com/", .badHost),
            ("https://2130706433/", .numericHost), ("https://0x7f.1/", .numericHost), ("https://127.1/", .numericHost),
            ("https://127.0.0.0x1/", .numericHost), ("https://0177.0.0.1/", .numericHost),
            ("https://0x7f000001/", .numericHost),
            ("https://017700000001/", .numericHost), ("https://1.2.3.4.5/", .numericHost),
            ("https://256.1.1.1/", .numericHost),
            ("https://1.2.3.04/", .numericHost), ("https://example.0x/", .numericHost),
            ("https://foo.0X7F/", .numericHost),
            ("https://[::1/", .badIPv6), ("https://[]/", .badIPv6), ("https://[::1]x/", .badIPv6),
            ("https://[fe80::1%25lo]/", .badIPv6),
            ("https://[127.0.0.1]/", .badIPv6), ("https://::1/", .badIPv6), ("https://[v1.x]/", .badIPv6),
            ("https://[::1]]/", .badIPv6), ("https://a[::1]/", .badIPv6),
            ("https://example.com:/", .badPort), ("https://example.com:0/", .badPort),
            ("https://example.com:65536/", .badPort),
            ("https://example.com:4a/", .badPort), ("https://example.com:+80/", .badPort),
            ("https://example.com:000080/", .badPort),
            ("https://[::1]:/", .badPort),
        ] as [(String, WebhookURL.Problem)])
    func refuses(text: String, problem: WebhookURL.Problem) {
        #expect(throws: problem) { try WebhookURL(parsing: text) }
    }
}

@Suite struct WebhookTargetTests {
    @Test func tellsURLsFromNames() throws {
        #expect(try WebhookTarget(parsing: "billing_1.x-y") == .endpoint("billing_1.x-y"))
        #expect(try WebhookTarget(parsing: "https://Example.com") == .url("https://example.com/"))
        #expect(throws: WebhookError.invalidEndpointName) { try WebhookTarget(parsing: "") }
        #expect(throws: WebhookError.invalidEndpointName) { try WebhookTarget(parsing: "two words") }
        #expect(throws: WebhookError.invalidEndpointName) {
            try WebhookTarget(parsing: String(repeating: "a", count: 65))
        }
        #expect(throws: WebhookError.invalidURL(.scheme)) { try WebhookTarget(parsing: "localhost:8080/x") }
        #expect(throws: WebhookError.invalidURL(.userInfo)) { try WebhookTarget(parsing: "https://a@b/") }
    }

    @Test(arguments: [
        ("https://bücher.example/geheim", "characters beyond ASCII: write it as xn--bcher-kva.example"),
        ("https://☃.example/geheim", "characters beyond ASCII: write the host name in its ASCII form (xn--...)"),
    ])
    func anInternationalHostSaysWhatToWrite(url: String, text: String) {
        let error = #expect(throws: WebhookError.self) { try WebhookTarget(parsing: url) }
        #expect(error.map { "\($0)".hasSuffix(text) } == true, "\(String(describing: error))")
    }

    @Test func errorsDoNotRepeatTheURL() {
        let error = #expect(throws: WebhookError.self) {
            try WebhookTarget(parsing: "https://user:hunter2@example.com/token123")
        }
        #expect(error.map { !"\($0)".contains("hunter2") && !"\($0)".contains("token123") } == true)
    }
}

@Suite struct WebhookPolicyTests {
    private static func secret(_ byte: UInt8) throws -> WebhookSecret {
        try WebhookSecret(key: [UInt8](repeating: byte, count: 32))
    }

    private static func policy(defaults: Bool = false) throws -> WebhookPolicy {
        WebhookPolicy(
            configuration: WebhookConfiguration(
                endpoints: [
                    "billing": .init(name: "billing", url: "https://billing.example/x", secrets: [try secret(1)]),
                    "bare": .init(name: "bare", url: "https://bare.example/", secrets: []),
                    "bad": .init(name: "bad", url: "http://plain.example/", secrets: [try secret(1)]),
                ],
                customerSecrets: ["acme": [try secret(2), try secret(3)], "empty": []],
                defaultSecrets: defaults ? [try secret(4)] : [],
                insecureHosts: ["Localhost", "127.0.0.1", "::1"],
                allowedNetworks: [CIDRBlock("127.0.0.0/8"), CIDRBlock("::1/128")].compactMap(\.self)))
    }

    @Test(
        arguments: [
            ("https://a.example/", "acme", [2, 3]), ("billing", "acme", [1]), ("billing", "nobody", [1]),
            ("bare", "acme", [2, 3]), ("http://localhost:8080/", "acme", [2, 3]),
            ("http://LOCALHOST/", "acme", [2, 3]),
            ("http://127.0.0.1/", "acme", [2, 3]), ("http://[::1]:80/", "acme", [2, 3]),
        ] as [(String, String, [UInt8])])
    func resolves(target: String, customer: String, secrets: [UInt8]) throws {
        let resolved = try Self.policy().resolve(WebhookTarget(parsing: target), customer: customer)
        #expect(resolved.keys.secrets == (try secrets.map { try Self.secret($0) }))
        #expect((resolved.endpoint == nil) == target.contains("://"))
    }

    @Test(
        arguments: [
            ("nope", "acme", .unknownEndpoint("nope")),
            ("https://a.example/", "nobody", .noSecret(customer: "nobody")),
            ("https://a.example/", "empty", .noSecret(customer: "empty")),
            ("bare", "nobody", .noSecret(customer: "nobody")),
            ("http://a.example/", "acme", .insecure(host: "a.example")),
            ("http://localhost.example/", "acme", .insecure(host: "localhost.example")),
            ("bad", "acme", .insecure(host: "plain.example")),
            (
                "https://169.254.169.254/", "acme",
                .refusedAddress(
                    IPAddress(ipv4: 0xa9fe_a9fe), .special(CIDRBlock("169.254.0.0/16") ?? AddressGuard.refused[0]))
            ),
        ] as [(String, String, WebhookError)])
    func refuses(target: String, customer: String, error: WebhookError) throws {
        let policy = try Self.policy()
        let target = try WebhookTarget(parsing: target)
        #expect(throws: error) { try policy.resolve(target, customer: customer) }
    }

    @Test func defaultSecretsServeCustomersWithoutTheirOwn() throws {
        let policy = try Self.policy(defaults: true)
        let target = try WebhookTarget(parsing: "https://a.example/")
        #expect(try policy.resolve(target, customer: "nobody").keys.secrets == [Self.secret(4)])
        #expect(try policy.resolve(target, customer: "acme").keys.secrets.first == Self.secret(2))
    }
}
