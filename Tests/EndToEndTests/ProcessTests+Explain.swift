import AMQP
import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// `explain`: what a job's events and dead letters tell.
    @Suite(.serialized) struct Explain {
        private static let canary = "PROMPTCANARY"

        private static func job(_ id: String, customer: String = "acme", webhook: String? = nil) -> TestJob {
            var job = TestJob(id, customer: customer, extra: #","note":"\#(canary)""#)
            job.webhook = webhook
            return job
        }

        /// Waits until these events were published.
        private static func follow(
            _ stage: ProcessStage, _ keys: Set<String>, while body: @escaping @Sendable () async throws -> Void
        ) async throws {
            let (amqp, names) = (stage.deployment.amqp, stage.deployment.names)
            let session = try await onOwnThread { UncheckedBox(try AMQPSession(configuration: amqp, role: "watcher")) }
            let queue = try await onOwnThread {
                let queue = try session.value.declareQueue(exclusive: true).name
                try session.value.bindQueue(queue, exchange: names.events, routingKey: "#")
                try session.value.consume(queue, noAck: true)
                return queue
            }
            try await body()
            try await onOwnThread {
                defer { session.value.close() }
                var missing = keys
                while !missing.isEmpty {
                    guard let delivery = try session.value.receive(timeout: .seconds(30)) else {
                        throw TestBroker.Failure(description: "\(queue) did not get \(missing)")
                    }
                    missing.remove(delivery.routingKey)
                }
            }
        }

        private static func story(_ result: CommandResult) throws -> JSONValue {
            try JSONValue(parsing: result.output.utf8)
        }

        @Test func tellsOfEveryEnd() async throws {
            try await ProcessStage.run { stage in
                let worker = try await stage.startReadyWorker()
                try await Self.follow(
                    stage,
                    [
                        "usage.acme", "usage.rival", "webhook.delivered", "webhook.retrying", "webhook.dead",
                        "job.dead.acme",
                    ]
                ) {
                    var invalid = Self.job("broken")
                    invalid.model = nil
                    try await stage.deployment.enqueue([
                        Self.job("good", webhook: "receiver"), Self.job("unheard", webhook: "http://127.0.0.1:1/hook"),
                        Self.job("twice"), Self.job("twice", customer: "rival"), invalid,
                    ])
                }
                #expect(try await worker.terminate() == 0)

                let good = try await stage.command("explain", "good")
                #expect(good.exitCode == 0, "\(good.all)")
                #expect(good.output.hasPrefix("job good of acme: completed at "), "\(good.output)")
                for part in [
                    "attempt 1 asks main for gpt-4.1", "first token after", "webhook to receiver accepted at try 1",
                    "cost: 0.",
                ] {
                    #expect(good.output.contains(part), "\(part): \(good.output)")
                }
                let unheard = try Self.story(try await stage.command("explain", "unheard", "--json"))
                #expect(unheard["state"]?.stringValue == "completed")
                #expect(unheard["webhook"]?["state"]?.stringValue == "dead")
                #expect(unheard["webhook"]?["reason"]?.stringValue == "tries_exhausted")
                let events = unheard["events"]?.arrayValue?.compactMap { $0["event"]?.stringValue } ?? []
                #expect(events == ["started", "completed", "webhook.retrying", "webhook.retrying", "webhook.dead"])
                #expect(unheard["dead_letters"]?.arrayValue?.count == 1)
                let text = try await stage.command("explain", "unheard")
                #expect(
                    text.output.contains("chat-worker dead replay unheard --customer acme --kind webhook"),
                    "\(text.output)")

                let broken = try await stage.command("explain", "broken")
                #expect(
                    broken.exitCode == 0 && broken.output.hasPrefix("job broken of acme: dead since "), "\(broken.all)")

                let twice = try await stage.command("explain", "twice")
                #expect(twice.exitCode == 64 && twice.errors.contains("--customer"), "\(twice.all)")
                #expect(twice.output.contains("twice of acme: completed") && twice.output.contains("twice of rival"))
                let rival = try await stage.command("explain", "twice", "--customer", "rival", "--json")
                #expect(try Self.story(rival)["customer"]?.stringValue == "rival")

                for said in [good, text, broken, twice, rival] { #expect(!said.all.contains(Self.canary)) }
            }
        }

        @Test func tellsWhatIsNotKnown() async throws {
            try await ProcessStage.run { stage in
                let early = try await stage.command("explain", "order-1")
                #expect(early.exitCode == 69 && early.errors.contains("topology --declare"), "\(early.all)")
                #expect(try await stage.command("topology", "--declare").exitCode == 0)
                try await stage.deployment.enqueue([Self.job("waits")])
                let waiting = try await stage.command("explain", "waits")
                #expect(waiting.exitCode == 69, "\(waiting.all)")
                #expect(waiting.output.contains("nothing is known of a job waits"), "\(waiting.output)")
                #expect(waiting.output.contains("\(stage.deployment.names.jobs): 1 waiting, 0 consumers"))
                // Looked at twice, the job was not touched.
                let json = try Self.story(try await stage.command("explain", "waits", "--json"))
                #expect(json["state"]?.stringValue == "unknown")
                let (amqp, names) = (stage.deployment.amqp, stage.deployment.names)
                let count = try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "inspector")
                    defer { session.close() }
                    return try session.get(names.jobs)?.properties.headers.integer("x-delivery-count") ?? 0
                }
                #expect(count == 0)
                #expect(try await stage.command("explain", "a/b").exitCode == 64)
                #expect(try await stage.command("explain", "x", "--since", "soon").exitCode == 64)
            }
        }
    }
}

/// Handed from one thread to the next, never used by two at once.
private struct UncheckedBox<Value>: @unchecked Sendable {
    let value: Value

    init(_ value: Value) { self.value = value }
}
