import ChatModel
import GatewaySimulator
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// SIGHUP: a new configuration while the worker runs.
    @Suite(.serialized, .timeLimit(.minutes(2))) struct Reload {
        @Test func newJobsGoByIt() async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokensPerSecond = 20
            settings.gateway.tokens = 60
            try await ProcessStage.run(settings) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await deployment.enqueue([Self.job("before")])
                try await replies.log.wait("its first chunk") { !$0.isEmpty }

                try stage.files.replace([
                    "[profiles.general]\nmodel = \"gpt-4.1\"": "[profiles.general]\nmodel = \"deepseek-v3.2\"",
                    "event_loops = 2": "event_loops = 3", "log_level = \"info\"": "log_level = \"debug\"",
                ])
                let line = try await Self.reload(worker, "configuration reloaded; secrets were read anew")
                #expect(line["changed"]?.stringValue == "profiles.general.model, worker.log_level")
                let waiting = try await worker.logLine("some changes of the configuration need a restart")
                #expect(waiting["restart_for"]?.stringValue == "worker.event_loops")
                try await worker.untilStatus("what waits") { $0.hasSuffix("; restart for worker.event_loops") }

                try await deployment.enqueue([Self.job("after")])
                for (job, model) in [("before", "gpt-4.1"), ("after", "deepseek-v3.2")] {
                    let last = try #require(try await replies.terminal(of: job).last)
                    let body = try JSONValue(parsing: last.body)
                    #expect(last.properties.type == "chat.completion", "\(job)")
                    #expect(body["model"]?.stringValue == model, "\(job)")
                    #expect(body["job"]?["attempt"]?.integerValue == 1, "\(job): nothing was asked twice")
                }
                #expect(try await worker.terminate() == 0)
            }
        }

        /// A key and a webhook secret that were wrong, mended in their files.
        @Test func secretsAreReadAnew() async throws {
            try await ProcessStage.run(
                configure: { files, _ in
                    files.apiKey = "sk-canary-4711"
                    files.webhookSecret = "whsec_" + String(repeating: "b", count: 32)
                }
            ) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await deployment.enqueue([TestJob("before").quiet])
                #expect(try await replies.terminal(of: "before").last?.properties.type == "error")
                let right = deployment.workerSettings()
                try stage.files.write(right.apiKey, to: "api-key")
                try stage.files.write(right.webhookSecret, to: "webhook-secret")
                _ = try await Self.reload(worker, "configuration reloaded; secrets were read anew")
                try await deployment.enqueue([TestJob("after")])
                #expect(try await replies.terminal(of: "after").last?.properties.type == "chat.completion")
                try await worker.untilStatus("delivered") { $0.contains("webhooks 1 delivered") }
                #expect(deployment.receiver.received.map(\.verification) == [.verified])
                #expect(!worker.everythingSaid.contains("4711"))
                #expect(try await worker.terminate() == 0)
            }
        }

        /// A gateway needs a restart, and with it the model and the profile that use it; the rest is taken.
        @Test func whatNeedsANewGatewayWaitsAndTheRestIsTaken() async throws {
            try await ProcessStage.run { stage in
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try stage.files.replace([
                    "[profiles.general]\nmodel = \"gpt-4.1\"": """
                    [gateways.new]
                    url = "wss://127.0.0.1"
                    key_file = ""

                    [models.m]
                    gateway = "new"

                    [profiles.later]
                    model = "m"

                    [profiles.general]
                    model = "deepseek-v3.2"
                    """
                ])
                // Else they would be ambiguous beside a second gateway.
                for model in Deployment.models {
                    try stage.files.replace(["[models.\"\(model)\"]": "[models.\"\(model)\"]\ngateway = \"main\""])
                }
                let check = try await stage.command("check", "--offline")
                #expect(check.exitCode == 0, "\(check.all)")
                let line = try await Self.reload(worker, "configuration reloaded; secrets were read anew")
                #expect(line["changed"]?.stringValue?.contains("profiles.general.model") == true, "\(line)")
                let waiting = try await worker.logLine("some changes of the configuration need a restart")
                let names = try #require(waiting["restart_for"]?.stringValue)
                for key in ["gateways.new.url", "models.m.gateway", "profiles.later.model"] {
                    #expect(names.contains(key), "\(names)")
                }
                #expect(!names.contains("general") && !names.contains("gpt-4.1"), "\(names)")
                try await stage.deployment.enqueue([Self.job("goes")])
                let last = try #require(try await replies.terminal(of: "goes").last)
                #expect(try JSONValue(parsing: last.body)["model"]?.stringValue == "deepseek-v3.2")
                #expect(try await worker.terminate() == 0)
            }
        }

        /// The file of the broker's password is read by each connect, so a changed password needs neither reload nor restart.
        @Test func aChangedPasswordIsReadAtTheNextConnect() async throws {
            let user = uniqueName("rotated")
            try await ProcessStage.run(
                configure: { files, deployment in
                    files.brokerUser = user
                    files.brokerPassword = "first-canary"
                    files.replies = "declare = \"classic\""
                    let broker = deployment.broker
                    try await onOwnThread {
                        try broker.control("add_user", user, "first-canary")
                        try broker.control("set_permissions", user, ".*", ".*", ".*")
                    }
                }
            ) { stage in
                let (deployment, broker) = (stage.deployment, stage.deployment.broker)
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await deployment.enqueue([TestJob("before").quiet])
                try await replies.terminal(of: "before")
                let line = try await Self.reload(worker, "configuration reloaded; secrets were read anew")
                #expect(line["read_at_each_connect"]?.stringValue == "broker.password_file")
                #expect(line["read_anew"]?.stringValue == "gateways.main.key_file, webhooks.secret_files")

                // Changed at the broker, then without a file, then with the new one.
                let file = "\(stage.files.folder)/broker-password"
                try await onOwnThread {
                    try broker.control("change_password", user, "second-canary")
                    try broker.control("close_all_user_connections", user, "rotated")
                }
                let refused = try await Self.failure(of: worker) { $0.contains("ACCESS_REFUSED") }
                #expect(
                    refused.contains("\(file) (broker.password_file): it is read again at each connect"), "\(refused)")
                unlink(file)
                let missing = try await Self.failure(of: worker) { $0.contains("does not exist") }
                #expect(missing.contains("there is no password to log in with (broker.password_file): \(file)"))
                let before = worker.log.events.count
                try stage.files.write("second-canary", to: "broker-password")
                try await worker.untilStatus("consuming", from: before) { $0.hasPrefix("consuming") }
                try await deployment.enqueue([TestJob("after").quiet])
                #expect(try await replies.terminal(of: "after").last?.properties.type == "chat.completion")
                #expect(!worker.everythingSaid.contains("canary"))
                #expect(try await worker.terminate() == 0)
                try await onOwnThread { _ = try broker.control("delete_user", user) }
            }
        }

        /// What a reload does not read, though it has changed, is named.
        @Test func aFileOfTheStartThatHasChangedNeedsARestart() async throws {
            try await ProcessStage.run { stage in
                try stage.files.write("0123456789abcdef", to: "token")
                try stage.files.replace(["[admin]": "[admin]\ntoken_file = \"\(stage.files.folder)/token\""])
                let worker = try await stage.startReadyWorker()
                try stage.files.write("fedcba9876543210", to: "token")
                _ = try await Self.reload(worker, "configuration reloaded; secrets were read anew")
                let waiting = try await worker.logLine("some changes of the configuration need a restart")
                #expect(waiting["restart_for"]?.stringValue == "admin.token_file")
                #expect(try await worker.terminate() == 0)
            }
        }

        private static func failure(
            of worker: WorkerProcess, _ isMeant: @escaping @Sendable (String) -> Bool
        ) async throws -> String {
            try await worker.log.first("a failed connect") { event in
                guard case .error(let line) = event, let value = try? JSONValue(parsing: line.utf8),
                    value["message"]?.stringValue == "amqp connection failed",
                    let error = value["error"]?.stringValue, isMeant(error)
                else { return nil }
                return error
            }
        }

        @Test(arguments: [
            ["drain_timeout = \"20s\"": "drain_timeout = \"soon\""],
            ["[profiles.general]": "[models.m]\ngateway = \"new\"\n\n[profiles.general]"],
        ])
        func aBrokenOneIsRefused(_ change: [String: String]) async throws {
            try await ProcessStage.run { stage in
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                let before = worker.log.events.count
                try stage.files.replace(change)
                let line = try await Self.reload(worker, "configuration not reloaded, the old one goes on")
                #expect(line["mistake"]?.stringValue?.hasPrefix(stage.files.configuration + ":") == true)
                try await worker.untilStatus("the refusal", from: before) { $0.contains("; reload refused: ") }
                try await stage.deployment.enqueue([Self.job("goes")])
                #expect(try await replies.terminal(of: "goes").last?.properties.type == "chat.completion")
                #expect(try await worker.terminate() == 0)
            }
        }

        private static func job(_ id: String) -> TestJob {
            var job = TestJob(id, model: nil).quiet
            job.properties.headers["x-profile"] = .string("general")
            return job
        }

        private static func reload(_ worker: WorkerProcess, _ message: String) async throws -> JSONValue {
            worker.process.signal(SIGHUP)
            return try await worker.logLine(message)
        }
    }
}
