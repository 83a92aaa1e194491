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

        @Test(arguments: [
            ["drain_timeout = \"20s\"": "drain_timeout = \"soon\""],
            // Right by itself, but not without the gateway that only a restart brings.
            [
                "[profiles.general]":
                    "[gateways.new]\nurl = \"wss://127.0.0.1\"\nkey_file = \"\"\n\n[models.m]\ngateway = \"new\"\n\n[profiles.general]"
            ],
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
