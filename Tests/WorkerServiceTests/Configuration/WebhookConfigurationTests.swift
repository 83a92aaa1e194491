import ChatModel
import Testing
import Webhooks

@testable import WorkerService

/// What `[webhooks]` says, from the file to the layer below.
@Suite struct WebhookConfigurationTests {
    private let folder: TemporaryFolder
    private let secret = WebhookSecret.random().reveal()

    init() throws { folder = try TemporaryFolder() }

    private func configuration(_ text: String) throws -> WebhookConfiguration {
        let file = try folder.write(secret, to: "secret")
        return try WorkerConfiguration(parsing: "[webhooks]\nsecret_files = [\"\(file)\"]\n" + text)
            .webhookConfiguration(in: ConfigurationEnvironment())
    }

    @Test func anEndpointSaysWhatItWantsAndTheRestHolds() throws {
        let headers = try folder.write("# for orders\nX-Tenant: t-1\nauthorization:  Bearer x\n", to: "headers")
        let key = try folder.write("whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", to: "key")
        let webhooks = try configuration(
            """
            payload = "thin"
            max_payload_bytes = "2KiB"
            events = ["completed", "failed"]
            ed25519_key_file = "\(key)"
            old_secrets_until = "2026-12-31T00:00:00Z"
            breaker_failures = 7
            breaker_open = "1s"
            endpoint_concurrency = 3
            slow_after = "2s"
            deny_hosts = ["*.internal"]
            deny_networks = ["8.8.8.0/24"]
            only_networks = ["8.8.0.0/16"]
            proxy = "http://proxy.internal:3129"
            [webhooks.endpoints.orders]
            url = "https://orders.example.com/"
            payload = "full"
            ordering = "customer"
            cloudevents = true
            events = ["failed"]
            headers_file = "\(headers)"
            [webhooks.endpoints.plain]
            url = "https://plain.example.com/"
            """)
        let orders = try #require(webhooks.endpoints["orders"])
        #expect(orders.options.payload == .full && orders.options.events == [.failed] && orders.options.cloudEvents)
        #expect(orders.options.ordering == .customer)
        #expect(
            orders.options.headers == [
                .init(name: "x-tenant", value: "t-1"), .init(name: "authorization", value: "Bearer x"),
            ])
        let plain = try #require(webhooks.endpoints["plain"])
        #expect(plain.options == webhooks.options && plain.keys == webhooks.defaultKeys)
        #expect(webhooks.options.payload == .thin && webhooks.options.events == [.completed, .failed])
        #expect(webhooks.defaultKeys.signingKey != nil)
        #expect(webhooks.defaultKeys.overlapEnd == Timestamp(rfc3339: "2026-12-31T00:00:00Z")?.milliseconds)
        #expect(webhooks.breaker.failures == 7 && webhooks.breaker.openTime == .seconds(1))
        #expect(webhooks.endpointConcurrency == 3 && webhooks.slowAfter == .seconds(2))
        #expect(webhooks.hosts.denied.map(\.description) == ["*.internal"])
        #expect(webhooks.deniedNetworks.map(\.description) == ["8.8.8.0/24"])
        #expect(webhooks.onlyNetworks.map(\.description) == ["8.8.0.0/16"])
        #expect(webhooks.proxy == .init(host: "proxy.internal", port: 3_129))
    }

    @Test(
        arguments: [
            ("proxy = \"https://proxy\"", "3: webhooks.proxy: "), ("proxy = \"http://u@proxy\"", "3: webhooks.proxy: "),
            ("proxy_credentials_file = \"/c\"", "3: webhooks.proxy_credentials_file: "),
            ("allow_hosts = [\"*\"]", "3: webhooks.allow_hosts[0]: "),
            ("old_secrets_until = \"tomorrow\"", "3: webhooks.old_secrets_until: "),
            ("events = [\"done\"]", "3: webhooks.events[0]: "), ("payload = \"short\"", "3: webhooks.payload: "),
            ("breaker_open = \"2h\"", "3: webhooks.breaker_open: "),
            (
                "[webhooks.endpoints.e]\nurl = \"https://a.example\"\nclient_key_file = \"/k\"",
                "5: webhooks.endpoints.e.client_key_file: "
            ),
        ])
    func mistakesAreToldWithTheirLine(text: String, start: String) throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try configuration(text) }
        let found = try #require(errors).mistakes.map { "\($0.line ?? 0): \($0.key): " }
        #expect(found.contains(start), "\(found)")
    }

    /// What would help is told, and nothing that would not.
    @Test(
        arguments: [
            ("", "webhooks.allow_networks can allow it"),
            ("deny_networks = [\"10.0.0.0/8\"]", "webhooks.deny_networks"),
            ("only_networks = [\"8.0.0.0/8\"]", "not in webhooks.only_networks"),
        ])
    func anEndpointThatWouldBeRefusedIsAMistake(text: String, hint: String) throws {
        let configuration = try WorkerConfiguration(
            parsing:
                "[webhooks]\nsecret_files = [\"/s\"]\n\(text)\n[webhooks.endpoints.e]\nurl = \"https://10.0.0.1/\"")
        let found = configuration.check(in: ConfigurationEnvironment()).filter { $0.key == "webhooks.endpoints.e.url" }
        #expect(found.count == 1 && found[0].message.contains(hint), "\(found)")
        #expect(found[0].message.contains("allow_networks can") == text.isEmpty, "\(found)")
    }

    @Test(
        arguments: [
            ("worker:p:w\n", .init(user: "worker", password: "p:w")), ("worker:", .init(user: "worker", password: "")),
            ("worker", nil), (":p", nil), ("a:b\nc:d", nil), ("", nil),
        ] as [(String, WebhookConfiguration.Proxy.Credentials?)])
    func theProxysCredentialsAreInAFile(text: String, credentials: WebhookConfiguration.Proxy.Credentials?) throws {
        let file = try folder.write(text, to: "proxy")
        let lines = "proxy = \"http://proxy:3128\"\nproxy_resolves = false\nproxy_credentials_file = \"\(file)\"\n"
        guard let credentials else {
            let errors = #expect(throws: ConfigurationErrors.self) { try configuration(lines) }
            let mistake = try #require(errors?.mistakes.first)
            #expect(mistake.key == "webhooks.proxy_credentials_file" && mistake.line == 5)
            return
        }
        let proxy = try configuration(lines).proxy
        #expect(proxy == .init(host: "proxy", port: 3_128, credentials: credentials, resolvesNames: false))
        #expect(!"\(String(describing: proxy))".contains("p:w"))
    }

    @Test func tlsToTheProxyIsToldToBeMissing() throws {
        let errors = #expect(throws: ConfigurationErrors.self) { try configuration("proxy = \"https://proxy:3128\"") }
        #expect(errors?.mistakes.first?.message.contains("TLS to the proxy itself is not supported") == true)
    }

    /// An editor of Windows ends its lines otherwise.
    @Test(arguments: ["\n", "\r\n"])
    func headersOfAFile(lineEnd: String) throws {
        let text = ["# ours", "X-One: 1", "", "Authorization: Basic dTpw"].map { $0 + lineEnd }.joined()
        let headers = try HeaderLines.parse(text)
        #expect(headers.map(\.name) == ["x-one", "authorization"] && headers.map(\.value) == ["1", "Basic dTpw"])
        let error = #expect(throws: ConfigurationValueError.self) { try HeaderLines.parse(text + "x" + lineEnd) }
        #expect(error?.message == "line 5 is not `Name: value`")
    }

    /// What fails after `max_age` is given up: which tries never come, and what to do.
    @Test(
        arguments: [
            (
                "schedule = [\"0s\", \"1h\", \"2h\"]\nmax_age = \"2h\"", "2: webhooks.schedule",
                "the last try begins too late"
            ),
            (
                "schedule = [\"0s\", \"1h\", \"2h\"]\nmax_age = \"30m\"", "2: webhooks.schedule",
                "take 3h in all, and webhooks.max_age is 30m: what fails after that is given up, so the last 1 of 3 tries"
            ),
            ("max_age = \"1d\"", "2: webhooks.max_age", "the last try begins too late"),
            ("max_age = \"10m\"", "2: webhooks.max_age", "the last 4 of 8 tries never come"),
            ("schedule = [\"0s\", \"1h\", \"2h\"]\nmax_age = \"3h\"", nil, ""), ("", nil, ""),
        ] as [(String, String?, String)])
    func aScheduleLongerThanMaximumAge(text: String, place: String?, message: String) throws {
        let found = try WorkerConfiguration(parsing: "[webhooks]\n\(text)").ruleMistakes()
            .filter { $0.message.contains("raise max_age") }
        #expect(found.map { "\($0.line ?? 0): \($0.key)" } == (place.map { [$0] } ?? []))
        for warning in found {
            #expect(warning.severity == .warning && warning.message.contains(message), "\(warning.message)")
        }
    }

    @Test(arguments: ["x", ": x", "a b: c", "Host: x", "webhook-id: 1", "ce-id: 1", "a:", "a: \u{7}"])
    func headersThatAreRefused(line: String) {
        let error = #expect(throws: ConfigurationValueError.self) { try HeaderLines.parse("ok: 1\n\(line)\n") }
        #expect(error?.message.contains("line 2") == true)
    }
}
