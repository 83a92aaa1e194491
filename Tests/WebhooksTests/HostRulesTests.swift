import Testing

@testable import Webhooks

@Suite struct HostRulesTests {
    @Test(
        arguments: [
            ("*.example.com", "a.example.com", true), ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false), ("*.example.com", "badexample.com", false),
            ("example.com", "example.com", true), ("Example.com", "example.com", true),
            ("example.com", "a.example.com", false), ("10.0.0.1", "10.0.0.1", true), ("localhost.", "localhost", true),
            ("*.example.com.", "a.example.com", true), ("[0::1]", "[::1]", true), ("fd00:0::1", "[fd00::1]", true),
        ])
    func patterns(pattern: String, host: String, matches: Bool) throws {
        #expect(try #require(HostRules.Pattern(pattern)).matches(host) == matches)
    }

    @Test(arguments: ["", "*", "*.", ".", "*..", "a.*.com", "*a.com", "https://a"]) func whatIsNoPattern(text: String) {
        #expect(HostRules.Pattern(text) == nil)
    }

    @Test func aDeniedHostIsDeniedAlsoWhereItIsAllowed() throws {
        let all = try #require(HostRules.Pattern("*.example.com"))
        let one = try #require(HostRules.Pattern("bad.example.com"))
        let rules = HostRules(allowed: [all], denied: [one])
        #expect(rules.allows("good.example.com") && !rules.allows("bad.example.com") && !rules.allows("other.net"))
        #expect(HostRules(denied: [one]).allows("other.net"))
    }

    @Test func thePolicyAsksThem() throws {
        var configuration = WebhookConfiguration(defaultSecrets: [.random()])
        configuration.hosts.denied = [try #require(HostRules.Pattern("*.internal"))]
        configuration.deniedNetworks = [try #require(CIDRBlock("8.8.0.0/16"))]
        let policy = WebhookPolicy(configuration: configuration)
        #expect(throws: WebhookError.refusedHost("db.internal")) { try policy.url("https://DB.internal/") }
        #expect(throws: WebhookError.self) { try policy.url("https://8.8.8.8/") }
        #expect(try policy.url("https://8.9.8.8/").port == 443)
    }

    /// A list narrows: it opens nothing that is not public, and what is denied stays denied.
    @Test(
        arguments: [
            ("8.8.4.4", nil), ("9.9.9.9", .unlisted), ("8.8.8.8", .denied("8.8.8.8/32")), ("10.0.0.1", .unlisted),
            ("192.168.7.1", nil), ("192.168.8.1", .special("192.168.0.0/16")),
        ] as [(String, Refused?)])
    func onlyListedNetworks(address: String, refused: Refused?) throws {
        func networks(_ texts: String...) throws -> [CIDRBlock] { try texts.map { try #require(CIDRBlock($0)) } }
        let guardian = AddressGuard(
            allowed: try networks("192.168.7.0/24", "10.0.0.0/8"), only: try networks("8.8.0.0/16", "192.168.0.0/16"),
            denied: try networks("8.8.8.8"))
        let refusal: AddressGuard.Refusal? =
            switch refused {
            case .special(let network): .special(try #require(CIDRBlock(network)))
            case .denied(let network): .denied(try #require(CIDRBlock(network)))
            case .unlisted: .unlisted
            case nil: nil
            }
        #expect(guardian.refusal(of: try #require(IPAddress(address))) == refusal)
    }

    enum Refused: Sendable { case special(String), denied(String), unlisted }
}
