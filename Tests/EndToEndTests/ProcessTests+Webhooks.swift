import AMQP
import ChatModel
import Foundation
import GatewaySimulator
import TestSupport
import Testing

extension ProcessTests {
    /// `webhooks`, against a broker and, where something is to be delivered, a worker.
    @Suite(.serialized) struct Webhooks {
        @Test(arguments: ["webhooks list", "webhooks enable", "webhooks disable", "webhooks test", "webhooks replay"])
        func helpShowsAnExample(command: String) async throws {
            let words = command.split(separator: " ").map(String.init)
            let process = try ChildProcess([ChatWorkerBinary.path] + words + ["--help"])
            #expect(try await process.exitCode() == 0)
            #expect(process.output.contains { $0.hasPrefix("  chat-worker \(command)") })
        }

        @Test(arguments: [
            ["webhooks", "replay"], ["webhooks", "replay", "--all", "--failed"], ["webhooks", "enable"],
            ["webhooks", "test"],
        ])
        func usageErrorsEndWith64(arguments: [String]) async throws {
            let process = try ChildProcess([ChatWorkerBinary.path] + arguments)
            #expect(try await process.exitCode() == 64)
        }

        /// Off, dead-lettered, on, replayed with the same id.
        @Test func offOnAndReplay() async throws {
            try await ProcessStage.run { stage in
                let deployment = stage.deployment
                _ = try await stage.startReadyWorker()
                let none = try await stage.command("webhooks", "disable", "nobody")
                #expect(none.exitCode == 69, "\(none.all)")
                let off = try await stage.command("webhooks", "disable", "receiver")
                #expect(off.exitCode == 0 && off.output == "disabled: receiver", "\(off.all)")
                let list = try await stage.command("webhooks", "list")
                #expect(list.output.contains("receiver  disabled since ") && list.output.contains("(operator)"))

                try await deployment.enqueue([TestJob("held")])
                try await Self.untilDead(1, stage)
                #expect(deployment.receiver.received.isEmpty)
                let on = try await stage.command("webhooks", "enable", "receiver")
                #expect(on.exitCode == 0, "\(on.all)")
                let json = try await stage.command("webhooks", "list", "--json")
                #expect(try JSONValue(parsing: json.output.utf8)["state"] == .string("enabled"), "\(json.all)")

                let failed = try await stage.command("webhooks", "replay", "--failed", "--yes")
                #expect(failed.exitCode == 0 && failed.output == "", "its tries did not fail: \(failed.all)")
                let replay = try await stage.command(
                    "webhooks", "replay", "--customer", "acme", "--since", "1h", "--yes")
                #expect(replay.exitCode == 0 && replay.output.hasPrefix("replayed: "), "\(replay.all)")
                let hook = try await MainJobTests.firstWebhook(deployment)
                #expect(hook.job == "held" && hook.verification == .verified)
                try await Self.untilDead(0, stage)
            }
        }

        /// An endpoint that is down: its breaker is shown while it is open, spends no try, and is gone when a probe went well.
        @Test func anOpenBreakerIsListed() async throws {
            var settings = Deployment.Settings()
            settings.receiver.failFirst = 1
            settings.receiver.failStatus = 503
            try await ProcessStage.run(settings) { stage in
                let (deployment, names) = (stage.deployment, stage.deployment.names)
                let path = stage.files.configuration
                let text = try String(contentsOfFile: path, encoding: .utf8).replacing(
                    "[webhooks]", with: "[webhooks]\nbreaker_failures = 1\nbreaker_open = \"10s\"")
                try text.write(toFile: path, atomically: true, encoding: .utf8)
                _ = try await stage.startReadyWorker()
                let (amqp, listener) = (deployment.amqp, uniqueName("listener"))
                try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "dashboard")
                    defer { session.close() }
                    try session.declareQueue(listener, durable: true, arguments: ["x-expires": .int(60_000)])
                    for key in ["endpoint.#", "webhook.#"] {
                        try session.bindQueue(listener, exchange: names.events, routingKey: key)
                    }
                }
                try await deployment.enqueue([TestJob("patient")])
                let opened = try await deployment.takeAll(listener, atLeast: 2)
                #expect(opened.map(\.routingKey) == ["endpoint.open", "webhook.retrying"])
                let list = try await stage.command("webhooks", "list")
                #expect(list.output.contains("receiver  enabled; breaker open at "), "\(list.all)")
                let line = try await stage.command("webhooks", "list", "--json")
                let breakers = try #require(try JSONValue(parsing: line.output.utf8)["breakers"]?.arrayValue)
                #expect(breakers.count == 1 && breakers[0]["since"]?.stringValue != nil, "\(line.all)")
                #expect(deployment.receiver.received.count == 1, "not asked while it is open")

                let closed = try await deployment.takeAll(listener, atLeast: 2)
                #expect(closed.map(\.routingKey) == ["endpoint.closed", "webhook.delivered"])
                let tries = try JSONValue(parsing: try #require(closed.last).body)["tries"]?.integerValue
                #expect(tries == 2, "waiting at the breaker was no try")
                #expect(deployment.receiver.received.map(\.status) == [503, 204])
                let after = try await stage.command("webhooks", "list")
                #expect(after.output.hasPrefix("receiver  enabled  "), "\(after.all)")
            }
        }

        @Test func aTestIsSignedAndTold() async throws {
            try await ProcessStage.run { stage in
                let named = try await stage.command("webhooks", "test", "receiver")
                #expect(
                    named.exitCode == 0 && named.output.hasPrefix("receiver: delivered, status 204"), "\(named.all)")
                let url = try await stage.command("webhooks", "test", stage.deployment.receiver.url, "--json")
                #expect(url.exitCode == 0, "\(url.all)")
                let hooks = stage.deployment.receiver.received
                #expect(hooks.count == 2)
                #expect(hooks.allSatisfy { $0.verification == .verified && $0.type == "chat.webhook.test" })
                let refused = try await stage.command("webhooks", "test", "https://10.0.0.1/")
                #expect(refused.exitCode == 69 && refused.output.contains("refused"), "\(refused.all)")
            }
        }

        /// Killed between the endpoint's 2xx and the ack: one duplicate, under the same id.
        @Test func aCrashAfterTheAnswerPostsOnceMoreWithTheSameID() async throws {
            try await ProcessStage.run { stage in
                let first = try stage.startWorker(environment: ["CHAT_WORKER_FAILPOINT": "webhook-posted"])
                try await first.untilReady()
                try await stage.deployment.enqueue([TestJob("twice")])
                #expect(try await first.process.exitCode() == -SIGKILL)
                _ = try await stage.startReadyWorker()
                let hooks = try await stage.deployment.webhooks { $0.count == 2 }
                #expect(Set(hooks.map { $0.header("webhook-id") }).count == 1)
                #expect(hooks.allSatisfy { $0.verification == .verified } && hooks[0].body == hooks[1].body)
            }
        }

        private static func untilDead(_ count: Int, _ stage: ProcessStage) async throws {
            let (amqp, names) = (stage.deployment.amqp, stage.deployment.names)
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "inspector")
                defer { session.close() }
                let deadline = ContinuousClock.now + .seconds(30)
                // Each look is a question to the broker that waits for its answer.
                while try session.inspectQueue(names.dead).messageCount != count {
                    guard ContinuousClock.now < deadline else {
                        throw TestBroker.Failure(description: "not \(count) dead letters")
                    }
                }
            }
        }
    }
}
