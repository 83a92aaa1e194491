import Foundation
import Gateway
import Testing

@testable import WorkerService

@Suite struct CheckTests {
    let folder: TemporaryFolder
    let environment: ConfigurationEnvironment
    static let secret = "whsec_" + Data(repeating: 7, count: 32).base64EncodedString()

    init() throws {
        folder = try TemporaryFolder()
        let path = folder.path
        environment = ConfigurationEnvironment(variable: { $0 == "CREDENTIALS_DIRECTORY" ? path : nil })
        try folder.write("sk-canary-1\n", to: "gateway_key")
        try folder.write("canary-password\n", to: "broker_password")
        try folder.write(Self.secret + "\n", to: "webhook_secret")
    }

    private static let small = """
        [gateways.main]
        url = "ws://localhost:9000"
        [models.m]
        [webhooks]
        secret_files = ["webhook_secret"]

        """

    private func check(_ text: String) throws -> [String] {
        try WorkerConfiguration(parsing: text).check(in: environment).map { $0.description(inFile: "w") }
    }

    @Test func theShippedFileIsGoodWithItsSecrets() throws {
        let configuration = try WorkerConfiguration.load(path: "\(PackageRoot.path)/worker.conf")
        #expect(configuration.check(in: environment) == [])
        let without = configuration.check(in: ConfigurationEnvironment())
        #expect(without.map(\.key) == ["gateways.holysheep.key_file", "webhooks.secret_files[0]"])
    }

    @Test func nothingToDoIsAnError() throws {
        let found = try check("")
        #expect(found.contains { $0.hasPrefix("w: gateways: there is no") })
        #expect(found.contains { $0.hasPrefix("w: models: there is no") })
        #expect(found.contains { $0.contains("warning: webhooks.secret_files: there is no signing secret") })
    }

    @Test func judgesKeys() throws {
        #expect(try check(Self.small) == [])
        try folder.write("xx-canary", to: "gateway_key")
        let wrong = try check(Self.small)
        try #require(wrong.count == 1)
        #expect(wrong[0].hasPrefix("w:1: gateways.main.key_file: what is there does not look like"))
        #expect(try check(Self.small.replacing("[models.m]", with: "key_prefix = \"\"\n[models.m]")) == [])
        try folder.write("sk-", to: "gateway_key")
        #expect(try check(Self.small).count == 1)
        try folder.write("sk-can ary", to: "gateway_key")
        #expect(try check(Self.small).first?.contains("holds spaces") == true)
        try folder.write("sk-canary", to: "gateway_key", mode: 0o604)
        #expect(try check(Self.small).first?.contains("warning: gateways.main.key_file: ") == true)
        #expect(try !check(Self.small).joined().contains("canary"))
    }

    @Test(arguments: [
        ("x-org: canary\n\n# note\nAuthorization: canary", "line 4 sets authorization"),
        ("Host: canary", "line 1 sets host"), ("a: 1\r\nConnection: canary\r\n", "line 2 sets connection"),
        ("Proxy-Authorization: canary", "line 1 sets proxy-authorization"),
        ("Sec-WebSocket-Protocol: canary", "line 1 sets sec-websocket-protocol"),
        ("canary", "line 1 is not `Name: value`"),
        ("a: can\u{1}ary", "line 1 has an empty value"), ("a canary: b", "line 1 has a name"),
    ])
    func judgesHeaders(content: String, message: String) throws {
        let text = Self.small.replacing("[models.m]", with: "headers_file = \"headers\"\n[models.m]")
        try folder.write("x-portkey-api-key: canary\ncookie: a=b; c\n", to: "headers")
        #expect(try check(text) == [])
        let gateway = try #require(
            try WorkerConfiguration(parsing: text).gatewayConfigurations(in: environment)["main"])
        #expect(
            gateway.keys == [
                GatewayKey(
                    source: "gateway_key", secret: "sk-canary-1",
                    headers: [
                        .init(name: "x-portkey-api-key", value: "canary"), .init(name: "cookie", value: "a=b; c"),
                    ])
            ])
        try folder.write(content, to: "headers")
        let found = try check(text)
        try #require(found.count == 1, "\(found)")
        #expect(found[0].hasPrefix("w:3: gateways.main.headers_file: \(message)"), "\(found)")
        #expect(!found[0].contains("canary"))
    }

    /// Without a key its header is free.
    @Test func headersInPlaceOfAKey() throws {
        let text = Self.small.replacing("[models.m]", with: "key_file = \"\"\nheaders_file = \"headers\"\n[models.m]")
        try folder.write("Authorization: Basic canary\n", to: "headers", mode: 0o644)
        #expect(try check(text).map { $0.contains("warning: gateways.main.headers_file: ") } == [true])
        let gateway = try #require(
            try WorkerConfiguration(parsing: text).gatewayConfigurations(in: environment)["main"])
        #expect(gateway.keys.map(\.headers) == [[.init(name: "authorization", value: "Basic canary")]])
    }

    @Test func judgesProxies() throws {
        let text = Self.small.replacing("localhost:9000", with: "gateway.test").replacing(
            "[models.m]",
            with: "proxy = \"http://proxy.test\"\nproxy_credentials_file = \"proxy\"\n[models.m]")
        try folder.write("user:pass:canary", to: "proxy")
        #expect(try check(text).count == 1, "only that it is in the clear")
        let gateway = try #require(
            try WorkerConfiguration(parsing: text).gatewayConfigurations(in: environment)["main"])
        #expect(
            gateway.proxy
                == .init(
                    host: "proxy.test", port: 3_128,
                    authorization: "Basic " + Data("user:pass:canary".utf8).base64EncodedString()))
        try folder.write("canary", to: "proxy")
        let found = try check(text).filter { !$0.contains("warning") }
        #expect(found == ["w:4: gateways.main.proxy_credentials_file: what is there is not user:password"])
    }

    private func openssl(_ arguments: String) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["openssl"] + arguments.split(separator: " ").map(String.init)
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    @Test func judgesClientCertificates() throws {
        for (name, days) in [("old", 3), ("fresh", 90)] {
            try openssl(
                "req -x509 -newkey rsa:2048 -nodes -days \(days) -subj /CN=a -keyout \(name).key -out \(name).pem")
        }
        func found(_ certificate: String, _ key: String) throws -> [String] {
            let text = Self.small.replacing("ws://", with: "wss://").replacing(
                "[models.m]",
                with: """
                    client_certificate_file = "\(folder.path)/\(certificate)"
                    client_key_file = "\(folder.path)/\(key)"
                    [models.m]
                    """)
            return try check(text)
        }
        #expect(try found("fresh.pem", "fresh.key") == [])
        let old = try found("old.pem", "old.key")
        #expect(old.count == 1 && old[0].contains("expires in "), "\(old)")
        let mixed = try found("fresh.pem", "old.key")
        #expect(mixed.count == 1 && mixed[0].hasPrefix("w:4: ") && mixed[0].contains("is not the key of"), "\(mixed)")
        let swapped = try found("fresh.key", "fresh.key")
        #expect(swapped.contains { $0.contains("client_certificate_file: holds no certificate") }, "\(swapped)")
        let keyless = try found("fresh.pem", "fresh.pem")
        #expect(keyless.contains { $0.contains("client_key_file: holds no key") }, "\(keyless)")
        let missing = try found("none.pem", "fresh.key")
        #expect(missing.count == 1 && missing[0].contains("there is no such file"), "\(missing)")
        let text = Self.small.replacing("ws://localhost:9000", with: "wss://a").replacing(
            "[models.m]",
            with:
                "client_certificate_file = \"\(folder.path)/old.pem\"\nclient_key_file = \"\(folder.path)/old.key\"\n[models.m]"
        )
        let configuration = try WorkerConfiguration(parsing: text)
        let later = configuration.gatewayCertificateMistakes(now: 4_000_000_000)
        #expect(later.count == 1 && later[0].message.hasPrefix("has expired"))
    }

    /// A variable that other programs follow, and this one does not.
    @Test(arguments: [
        ("HTTPS_PROXY", "gateway.test", true), ("https_proxy", "gateway.test", true),
        ("HTTPS_PROXY", "localhost", false),
    ])
    func aProxyOfTheEnvironment(variable: String, host: String, isTold: Bool) throws {
        let path = folder.path
        let environment = ConfigurationEnvironment(variable: { name in
            name == "CREDENTIALS_DIRECTORY" ? path : name == variable ? "http://proxy.test" : nil
        })
        let text = Self.small.replacing("localhost:9000", with: host)
        let found = try WorkerConfiguration(parsing: text).check(in: environment)
        #expect(found.contains { $0.message.hasPrefix("\(variable) is set, and is not used") } == isTold)
        let proxied = text.replacing("[models.m]", with: "proxy = \"http://proxy.test:1\"\n[models.m]")
        #expect(
            try !WorkerConfiguration(parsing: proxied).check(in: environment).contains { $0.message.contains(variable) }
        )
    }

    @Test func judgesWebhookSecrets() throws {
        try folder.write("whsec_c2hvcnQ=", to: "webhook_secret")
        let found = try check(Self.small)
        try #require(found.count == 1)
        #expect(found[0].hasPrefix("w:5: webhooks.secret_files[0]: "))
        #expect(found[0].contains("24 to 64 bytes") && !found[0].contains("c2hvcnQ"))
    }

    @Test func judgesThePassword() throws {
        try FileManager.default.removeItem(atPath: "\(folder.path)/broker_password")
        #expect(try check(Self.small) == [])
        let found = try check(Self.small + "[broker]\nusername = \"chat\"\n")
        try #require(found.count == 1)
        #expect(found[0].contains("broker.password_file: ") && found[0].contains("does not exist"))
    }

    @Test func countsDescriptors() throws {
        var poor = environment
        poor.mostOpenFiles = 1_024
        let configuration = try WorkerConfiguration(parsing: Self.small)
        #expect(configuration.openFilesNeeded > 1_024)
        let found = configuration.check(in: poor)
        try #require(found.count == 1)
        #expect(found[0].message.contains("this process may open 1024"))
    }

    @Test func looksAtFiles() throws {
        let file = try folder.write("no certificate", to: "ca.pem")
        let pem = try folder.write("-----BEGIN PRIVATE KEY-----", to: "key.pem", mode: 0o644)
        let found = try check(
            Self.small + """
                ca_file = "\(file)"
                [broker]
                url = "amqps://localhost"
                ca_file = "/does/not/exist"
                client_certificate_file = "\(pem)"
                client_key_file = "\(pem)"
                """)
        try #require(found.count == 3, "\(found)")
        #expect(found[0].contains("webhooks.ca_file: ") && found[0].hasSuffix("is not in PEM format"))
        #expect(found[1].hasSuffix("broker.ca_file: /does/not/exist: there is no such file"))
        #expect(found[2].contains("warning: broker.client_key_file: "))
    }

    @Test(arguments: [
        ("[broker]\nurl = \"amqp://rabbit.example.com\"", "in the clear"),
        ("[broker]\nurl = \"amqps://rabbit.example.com\"", "from its own machine only"),
        ("[broker]\nhosts = [\"other\"]", "go to other in the clear"),
        ("[broker]\nca_file = \"/etc/hostname\"", "is not used with amqp://"),
        ("[replies]\nallow = [\"chat.reply.{customer}\", \"shared\"]", "every customer may reply"),
        ("[replies]\nallow = [\"all\"]\ndefault_queue = \"all\"", "whoever asked"),
        ("[replies]\nexchange = \"x\"\ndeclare = \"stream\"", "no use with replies.exchange"),
        ("[models.n]\nupstream = \"m\"", "the same model of the same gateway"),
        ("[limits]\ntotal_timeout = \"30s\"", "never comes"),
        ("[models.n]\nfirst_chunk_timeout = \"1h\"", "never comes"),
        ("[models.o3-mini]", "models of this name refuse max_tokens"),
        ("[models.n]\nupstream = \"openai/gpt-5.1\"", "models of this name refuse max_tokens"),
        ("[limits]\ntotal_timeout = \"30s\"\n[retry]\nin_worker = \"30s\"", "no time left for a try"),
        ("[fairness]\ncustomer_concurrency = 1001", "jobs.concurrency is 1000"),
        ("[jobs]\nconcurrency = 5\n[fairness.customers.a]\nconcurrency = 6", "is never reached"),
        ("allow_http_hosts = [\"intern\"]", "in the clear"),
        ("allow_networks = [\"0.0.0.0/0\"]", "opens every address"),
    ])
    func warns(addition: String, message: String) throws {
        let configuration = try WorkerConfiguration(parsing: Self.small + addition)
        let warnings = configuration.check(in: environment).filter { $0.severity == .warning }
        #expect(warnings.contains { $0.message.contains(message) && $0.line != nil }, "\(warnings)")
    }
}
