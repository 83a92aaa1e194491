import AMQP
import ChatModel
import Foundation
import Gateway
import JobRunner
import Testing
import Webhooks

@testable import WorkerService

@Suite struct ConversionTests {
    private static func extra(_ json: String) throws -> ExtraMembers {
        try #require(ExtraMembers(JSONValue(parsing: json.utf8)))
    }

    let folder: TemporaryFolder
    let environment: ConfigurationEnvironment

    init() throws {
        folder = try TemporaryFolder()
        let path = folder.path
        environment = ConfigurationEnvironment(
            variable: { $0 == "CREDENTIALS_DIRECTORY" ? path : nil }, hostName: "box", processID: 42)
        try folder.write("sk-1\n", to: "gateway_key")
        try folder.write("pass\n", to: "broker_password")
        for byte in UInt8(1)...4 { try folder.write(Self.text(byte) + "\n", to: "secret\(byte)") }
    }

    private static func text(_ byte: UInt8) -> String {
        "whsec_" + Data(repeating: byte, count: 32).base64EncodedString()
    }
    private static func secret(_ byte: UInt8) throws -> WebhookSecret { try WebhookSecret(text(byte)) }

    @Test func broker() throws {
        let configuration = try WorkerConfiguration(
            parsing: """
                [broker]
                url = "amqps://chat%20worker@one.example.com/chat%2Fprod"
                hosts = ["two.example.com", "[fd00::1]:5673"]
                ca_file = "/ca.pem"
                client_certificate_file = "/c.pem"
                client_key_file = "/k.pem"
                heartbeat = "7s"
                timeout = "3s"
                reconnect_first = "1s"
                reconnect_most = "2s"
                """)
        var expected = AMQPConfiguration(
            addresses: [
                .init(host: "one.example.com", port: 5671), .init(host: "two.example.com", port: 5671),
                .init(host: "fd00::1", port: 5673),
            ],
            tls: .init(certificateAuthorityFile: "/ca.pem", clientCertificateFile: "/c.pem", clientKeyFile: "/k.pem"),
            virtualHost: "chat/prod", username: "chat worker", password: "pass", heartbeat: .seconds(7),
            timeout: .seconds(3), connectionName: "box-42", reconnectFirst: .seconds(1), reconnectMost: .seconds(2))
        expected.passwordSource = configuration.brokerPasswordSource(in: environment)
        #expect(try configuration.amqpConfiguration(in: environment) == expected)
    }

    @Test func brokerDefaults() throws {
        let configuration = try WorkerConfiguration(parsing: "")
        var expected = AMQPConfiguration()
        expected.connectionName = "localhost-1"
        expected.passwordSource = configuration.brokerPasswordSource(in: ConfigurationEnvironment())
        #expect(try configuration.amqpConfiguration(in: ConfigurationEnvironment()) == expected)
        let named = try WorkerConfiguration(
            parsing: "[broker]\nusername = \"u\"\nvhost = \"v\"\n[worker]\nname = \"w1\"")
        let amqp = try named.amqpConfiguration(in: environment)
        #expect(amqp.username == "u" && amqp.virtualHost == "v" && amqp.connectionName == "w1")
        #expect(throws: ConfigurationErrors.self) { try named.amqpConfiguration(in: ConfigurationEnvironment()) }
        let slash = try WorkerConfiguration(parsing: "[broker]\nurl = \"amqp://localhost/\"")
        #expect(slash.brokerVirtualHost == "/")
    }

    @Test func nameOfAnInstance() {
        let environment = ConfigurationEnvironment(
            variable: { $0 == "CHAT_WORKER_INSTANCE" ? "2" : nil }, hostName: "box", processID: 42)
        #expect(WorkerConfiguration().workerName(in: environment) == "box-2")
    }

    @Test(
        arguments: [
            ("wss://api.holysheep.ai/v1", true, 443, "/v1/realtime/chat/completions"),
            ("wss://api.holysheep.ai/v1/", true, 443, "/v1/realtime/chat/completions"),
            ("wss://api.holysheep.ai", true, 443, "/v1/realtime/chat/completions"),
            ("wss://api.holysheep.ai/v1/realtime/chat/completions", true, 443, "/v1/realtime/chat/completions"),
            ("ws://api.holysheep.ai:8080/team/v2", false, 8080, "/team/v2/realtime/chat/completions"),
            ("ws://api.holysheep.ai/my/chat/completions", false, 80, "/my/chat/completions"),
            ("wss://api.holysheep.ai/v1/?a=b/c", true, 443, "/v1/realtime/chat/completions?a=b/c"),
            ("wss://api.holysheep.ai?", true, 443, "/v1/realtime/chat/completions"),
        ] as [(String, Bool, Int, String)])
    func gatewayAddress(url: String, isSecure: Bool, port: Int, path: String) throws {
        let configuration = try WorkerConfiguration(parsing: "[gateways.a]\nurl = \"\(url)\"")
        let gateway = try #require(try configuration.gatewayConfigurations(in: environment)["a"])
        #expect(
            gateway.endpoint
                == GatewayConfiguration.Endpoint(isSecure: isSecure, host: "api.holysheep.ai", port: port, path: path))
        #expect(gateway.apiKey == "sk-1" && gateway.name == "a")
    }

    @Test(
        arguments: [
            ("https://api.openai.com/v1", true, 443, "/v1/chat/completions"),
            ("https://api.openai.com/v1/chat/completions", true, 443, "/v1/chat/completions"),
            ("https://api.openai.com", true, 443, "/v1/chat/completions"),
            ("http://api.openai.com:11434/v1/", false, 11434, "/v1/chat/completions"),
            ("http://api.openai.com/openai", false, 80, "/openai/chat/completions"),
            (
                "https://api.openai.com/openai/deployments/d?api-version=2024-10-21", true, 443,
                "/openai/deployments/d/chat/completions?api-version=2024-10-21"
            ),
        ] as [(String, Bool, Int, String)], ["", "transport = \"sse\""])
    func eventStreamAddress(_ address: (url: String, isSecure: Bool, port: Int, path: String), line: String) throws {
        let configuration = try WorkerConfiguration(
            parsing: "[gateways.a]\nurl = \"\(address.url)\"\nkey_file = \"\"\n\(line)")
        let gateway = try #require(try configuration.gatewayConfigurations(in: environment)["a"])
        #expect(gateway.transport == .sse)
        #expect(
            gateway.endpoint
                == GatewayConfiguration.Endpoint(
                    isSecure: address.isSecure, host: "api.openai.com", port: address.port, path: address.path))
        #expect(gateway.apiKey.isEmpty, "key_file is empty")
    }

    @Test func gatewayKeys() throws {
        let configuration = try WorkerConfiguration(
            parsing: """
                [gateways.a]
                url = "wss://a"
                connect_timeout = "1s"
                first_chunk_timeout = "2s"
                idle_timeout = "3s"
                end_grace = "4s"
                keep_idle = "5s"
                max_age = "6s"
                max_idle = 7
                max_message_bytes = 8192
                max_fragments = 9
                ca_file = "/ca.pem"
                key_header = "api-key"
                """)
        let gateway = try #require(try configuration.gatewayConfigurations(in: environment)["a"])
        #expect(gateway.keyHeader == "api-key")
        #expect(
            [
                gateway.connectTimeout, gateway.firstChunkTimeout, gateway.idleTimeout, gateway.endGrace,
                gateway.keepIdle,
                gateway.maximumAge,
            ] == (1...6).map { .seconds($0) })
        #expect(gateway.maximumIdle == 7 && gateway.maximumMessageSize == 8_192 && gateway.maximumFragments == 9)
        #expect(gateway.certificateAuthorityFile == "/ca.pem")
    }

    @Test func routesAndPools() throws {
        let configuration = try WorkerConfiguration(
            parsing: """
                [gateways.a]
                url = "wss://a"
                min_idle = 2
                ping_interval = "3s"
                pong_timeout = "1s"
                max_in_flight = 9
                cool_down_after = 2
                cool_down = "4s"
                cool_down_most = "8s"
                [gateways.a.errors]
                context_too_long = ["too much"]
                model_gone = ["left us", "X1"]
                [models.m]
                upstream = "up-m"
                fallbacks = ["n"]
                fallback_on = ["rate_limited", "content_filter"]
                max_in_flight = 3
                [models.n]
                [profiles.p]
                fallbacks = []
                """)
        let gateway = try #require(try configuration.gatewayConfigurations(in: environment)["a"])
        #expect(gateway.minimumIdle == 2 && gateway.warmModels == ["n", "up-m"])
        #expect(gateway.pingInterval == .seconds(3) && gateway.pongTimeout == .seconds(1))
        #expect(gateway.keys.map(\.source) == ["gateway_key"])
        #expect(
            gateway.errorPhrases
                == ErrorPhrases([.contextTooLong: ["too much"], .modelGone: ["left us", "x1"]]))
        #expect(
            configuration.gatewayRules["a"]
                == GatewayRules(
                    maximumInFlight: 9, coolDown: .init(failures: 2, first: .seconds(4), longest: .seconds(8))))
        let rules = configuration.jobRules
        #expect(
            rules.models["m"]
                == ModelRoute(
                    gateway: "a", upstreamModel: "up-m", fallbacks: ["n"],
                    fallbackCauses: [.rateLimited, .contentFilter], maximumInFlight: 3))
        #expect(rules.models["n"] == ModelRoute(gateway: "a", upstreamModel: "n"))
        #expect(rules.profiles["p"]?.fallbacks == [])
        #expect(
            try WorkerConfiguration(parsing: "[gateways.a]\nurl = \"wss://a\"").gatewayRules["a"] == GatewayRules())
    }

    /// The defaults of the file are those of the layers below.
    @Test func defaultsAgree() throws {
        let configuration = try WorkerConfiguration(parsing: "[gateways.a]\nurl = \"wss://a\"")
        let gateway = try #require(try configuration.gatewayConfigurations(in: environment)["a"])
        var own = GatewayConfiguration(name: "a", endpoint: gateway.endpoint, apiKey: "sk-1")
        own.keys[0].source = "gateway_key"
        #expect("\(gateway)" == "\(own)")
        let webhooks = try configuration.webhookConfiguration(in: environment)
        var standard = WebhookConfiguration()
        standard.retryTiers = webhooks.retryTiers
        #expect(webhooks.options == standard.options)
        // Its sets print in any order.
        standard.options = webhooks.options
        #expect("\(webhooks)" == "\(standard)")
        #expect(configuration.jobRules.replies == ReplyRules())
        #expect(configuration.jobRules.maximumBytes == JobRules().maximumBytes)
    }

    @Test func webhooks() throws {
        let configuration = try WorkerConfiguration(
            parsing: """
                [webhooks]
                secret_files = ["secret1"]
                allow_http_hosts = ["localhost"]
                allow_networks = ["127.0.0.0/8"]
                timeout = "5s"
                schedule = ["0s", "1s"]
                [webhooks.customers.acme]
                secret_files = ["secret2", "secret3"]
                [webhooks.endpoints.own]
                url = "https://example.com/hook?a=b"
                secret_files = ["secret4"]
                [webhooks.endpoints.shared]
                url = "http://localhost:8000/"
                [broker]
                retry_tiers = ["1s", "2s"]
                """)
        let webhooks = try configuration.webhookConfiguration(in: environment)
        #expect(try webhooks.defaultKeys.secrets == [Self.secret(1)])
        #expect(try webhooks.customerKeys.mapValues(\.secrets) == ["acme": [Self.secret(2), Self.secret(3)]])
        #expect(
            try webhooks.endpoints == [
                "own": .init(name: "own", url: "https://example.com/hook?a=b", secrets: [Self.secret(4)]),
                "shared": .init(name: "shared", url: "http://localhost:8000/", secrets: [Self.secret(1)]),
            ])
        #expect(
            webhooks.insecureHosts == ["localhost"] && webhooks.allowedNetworks.map(\.description) == ["127.0.0.0/8"])
        #expect(webhooks.timeout == .seconds(5) && webhooks.schedule == [.zero, .seconds(1)])
        #expect(webhooks.retryTiers.tiers == [.seconds(1), .seconds(2)])
    }

    @Test func allMissingSecretsAtOnce() throws {
        let configuration = try WorkerConfiguration(
            parsing:
                "[webhooks]\nsecret_files = [\"none1\",\n\"none2\"]\n[webhooks.customers.a]\nsecret_files = [\"none3\"]"
        )
        let errors = #expect(throws: ConfigurationErrors.self) {
            try configuration.webhookConfiguration(in: environment)
        }
        #expect(try #require(errors).mistakes.map { $0.line ?? 0 } == [2, 3, 5])
    }

    @Test func jobs() throws {
        let configuration = try WorkerConfiguration(
            parsing: """
                [broker]
                prefix = "shop"
                [jobs]
                max_bytes = "2MiB"
                concurrency = 10
                prefetch_factor = 1.25
                default_gateway = "b"
                [customers]
                from = "user-id"
                [replies]
                direct_reply_to = false
                [gateways.a]
                url = "wss://a"
                [gateways.b]
                url = "wss://b"
                include_usage = false
                [models."x/y:z"]
                gateway = "a"
                upstream = "up"
                input_price = 1
                output_price = 2.5
                cached_input_price = 0.5
                cache_write_price = 1.25
                [models.free]
                gateway = "b"
                [models.thinker]
                gateway = "b"
                first_chunk_timeout = "10m"
                max_tokens_name = "max_completion_tokens"
                drop = ["temperature"]
                [models.thinker.extra_body]
                reasoning_effort = "low"
                thinking = { budget = 1000, on = true, list = [1.5, "x"] }
                [profiles.p]
                model = "free"
                max_tokens = 5
                temperature = 0
                extra_body = '{"x": [1, null]}'
                """)
        let rules = configuration.jobRules
        #expect(rules.maximumBytes == 2 << 20 && rules.customerSource == .userID)
        #expect(configuration.jobs.prefetch == 13)
        #expect(
            rules.models == [
                "x/y:z": ModelRoute(
                    gateway: "a", upstreamModel: "up",
                    price: Price(input: 1, output: 2.5, cachedInput: 0.5, cacheWrite: 1.25)),
                "free": ModelRoute(gateway: "b", upstreamModel: "free", includeUsage: false),
                "thinker": ModelRoute(
                    gateway: "b", upstreamModel: "thinker", includeUsage: false,
                    shape: RequestShape(
                        limitName: .maximumCompletionTokens, dropped: ["temperature"],
                        extra: try Self.extra(
                            #"{"reasoning_effort":"low","thinking":{"budget":1000,"list":[1.5,"x"],"on":true}}"#)),
                    firstChunkTimeout: .seconds(600)),
            ])
        #expect(rules.defaultRoute == ModelRoute(gateway: "b", upstreamModel: "", includeUsage: false))
        #expect(
            rules.profiles == [
                "p": ChatModel.Profile(
                    model: "free", maximumTokens: 5, temperature: 0, extra: try Self.extra(#"{"x":[1,null]}"#))
            ])
        #expect(
            rules.replies
                == ReplyRules(
                    allow: ["shop.reply.{customer}", "shop.reply.{customer}.*"], allowsDirectReplyTo: false,
                    defaultQueue: "shop.reply.{customer}"))
        let silent = try WorkerConfiguration(parsing: "[replies]\ndefault_queue = \"\"")
        #expect(silent.jobRules.replies.defaultQueue == nil)
    }

    @Test func retryFairnessAndTimes() throws {
        let configuration = try WorkerConfiguration(
            parsing: """
                [retry]
                retries = 2
                first_wait = "2s"
                in_worker = "3s"
                max_wait = "4m"
                after_first_token = "restart"
                [fairness]
                customer_concurrency = 7
                [fairness.customers.acme]
                weight = 5
                [fairness.customers.free]
                concurrency = 0
                [limits]
                total_timeout = "1m"
                park_after = "20s"
                drain_timeout = "30s"
                [replies]
                cancel_when_unread = true
                """)
        let runner = try configuration.jobRunnerConfiguration(in: environment)
        #expect(
            runner.retry
                == RetryPolicy(
                    retries: 2, firstWait: .seconds(2), longestInWorker: .seconds(3), longestWait: .seconds(240),
                    afterFirstToken: .restart))
        #expect(
            runner.fairness
                == FairnessPolicy(
                    customerConcurrency: 7, customers: ["acme": .init(weight: 5), "free": .init(concurrency: 0)]))
        #expect(runner.totalTimeout == .seconds(60) && runner.parkAfter == .seconds(20))
        #expect(runner.drainTimeout == .seconds(30) && runner.cancelsWhenUnread)
    }

    /// Without a word in the file it is as the job runner has it by itself.
    @Test func retryAndFairnessDefaults() throws {
        let runner = try WorkerConfiguration(parsing: "").jobRunnerConfiguration(in: environment)
        let own = JobRunnerConfiguration(
            broker: runner.broker, plan: runner.plan, rules: runner.rules, gateways: [], webhooks: runner.webhooks)
        #expect(runner.retry == own.retry && runner.parkAfter == own.parkAfter)
        #expect(runner.fairness == FairnessPolicy(customerConcurrency: 0) && own.fairness == FairnessPolicy())
        #expect(runner.cancelsWhenUnread == own.cancelsWhenUnread && !own.cancelsWhenUnread)
    }
}

extension ConversionTests {
    /// A customer's own day stands beside the others' month; 0 lifts a limit.
    @Test func budgets() throws {
        let configuration = try WorkerConfiguration(
            parsing: """
                [budgets]
                day = 2.5
                month = 40
                assumed_tokens = 99
                [budgets.customers.acme]
                day = 10
                [budgets.customers.free]
                day = 0
                month = 0
                """)
        let policy = configuration.budgetPolicy
        #expect(policy.standard == .init(day: Money(usd: 2.5), month: Money(usd: 40)) && policy.assumedTokens == 99)
        #expect(
            policy.customers == [
                "acme": .init(day: Money(usd: 10), month: Money(usd: 40)), "free": .init(day: nil, month: nil),
            ])
        #expect(WorkerConfiguration().budgetPolicy == BudgetPolicy())
    }
}
