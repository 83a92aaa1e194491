import AMQP
import ChatModel
import Foundation
import JobRunner
import TestSupport
import Testing

extension ProcessTests {
    /// Queues without a delivery limit of their own, as an earlier version declared them; RabbitMQ 4 gives them one of 20.
    @Suite(.serialized) struct FormerQueues {
        /// Declares them as they were.
        static func declareFormer(_ stage: ProcessStage) async throws {
            let queues = stage.deployment.configuration.plan.topology.queues
            _ = try await Dead.onSession(stage) { session in
                for queue in queues {
                    if let arguments = queue.formerArguments {
                        try session.declareQueue(queue.name, durable: true, arguments: arguments)
                    }
                }
                return true
            }
        }

        @Test(arguments: [false, true])
        func lookingAtDeadLettersLosesNone(former: Bool) async throws {
            try await ProcessStage.run { stage in
                if former { try await Self.declareFormer(stage) }
                var foreign = Dead.job("foreign")
                foreign.properties.userID = nil
                try await Dead.bury(stage, [Dead.job("one"), Dead.job("two", customer: "rival"), foreign])
                let dead = stage.deployment.names.dead
                let victim = "\(stage.deployment.prefix).victim"
                let routed = try await Dead.onSession(stage) { session in
                    try session.declareQueue(victim, durable: true, arguments: ["x-expires": .int(120_000)])
                    var letter = Dead.job("routed")
                    // As somebody who may write to the queue itself puts it there.
                    letter.properties.headers["CC"] = .array([.string(victim)])
                    try session.publish(routingKey: dead, properties: letter.properties, body: letter.body)
                    return try session.purgeQueue(victim)
                }
                #expect(routed == 1)
                let all = ["foreign", "one", "routed", "two"]
                let before = try await stage.command("dead", "list")
                for look in 1...25 {
                    #expect(try await Dead.left(stage) == all, "look \(look)")
                    // And one that is cut off, so that the broker returns it.
                    if look % 5 == 0 {
                        _ = try await Dead.onSession(stage) { session in try session.get(dead) != nil }
                    }
                }
                let after = try await stage.command("dead", "list")
                #expect(after.output == before.output, "nothing reads otherwise")
                let copies = try await Dead.onSession(stage) { session in try session.deleteQueue(victim) }
                #expect(copies == 0, "a copy goes nowhere else")
                let replay = try await stage.command("dead", "replay", "two")
                #expect(replay.exitCode == 0, "\(replay.all)")
                #expect(try await Dead.left(stage) == ["foreign", "one", "routed"])
            }
        }

        @Test func aWorkerGoesOnAndSaysWhatToDo() async throws {
            try await ProcessStage.run { stage in
                try await Self.declareFormer(stage)
                let deployment = stage.deployment
                let names = deployment.names
                let worker = try await stage.startReadyWorker()
                try await deployment.enqueue([TestJob("one")])
                try await deployment.webhooks { Set($0.compactMap(\.job)) == ["one"] }
                let lines = try worker.logLines()
                let told = try #require(lines.first { $0["policy"] != nil })
                let message = told["message"]?.stringValue ?? ""
                let policy = told["policy"]?.stringValue ?? ""
                for queue in [names.failed, names.webhooks, names.orderedWebhooks, names.dead] {
                    #expect(message.contains(queue), "\(message)")
                }
                let isFour = try await onOwnThread { try TestBroker.version()[0] >= 4 }
                #expect(message.contains("Without a policy this broker drops") == isFour, "\(message)")
                #expect(told["level"]?.stringValue == (isFour ? "warning" : "notice"))
                #expect(lines.count { $0["policy"] != nil } == 1)

                let shown = try await stage.command("topology")
                #expect(shown.exitCode == 0 && shown.errors.contains(policy), "\(shown.all)")
                #expect(shown.output.contains("(there, as an earlier version declared it)"))
                let declared = try await stage.command("topology", "--declare", "--json")
                #expect(declared.exitCode == 0, "\(declared.all)")
                let json = try JSONValue(parsing: declared.output.utf8)
                #expect(json["broker"]?["policy"]?.stringValue == policy)

                let checked = try await stage.command("check", "--json")
                let broker = try #require(
                    try JSONValue(parsing: checked.output.utf8)["reached"]?.arrayValue?.first { $0["version"] != nil })
                let version = try await onOwnThread { try TestBroker.version().map(String.init).joined(separator: ".") }
                #expect(broker["version"]?.stringValue == version)
                let notes = broker["notes"]?.arrayValue?.compactMap(\.stringValue) ?? []
                #expect(
                    notes.contains { $0.hasSuffix(policy) } && notes.contains { $0.contains("consumer_timeout") },
                    "\(notes)")
                #expect(try await worker.terminate() == 0)
            }
        }

        /// The policy that is printed does what is said of it, on every version.
        @Test func thePolicyLiftsTheLimit() async throws {
            try await ProcessStage.run { stage in
                try await Self.declareFormer(stage)
                let (deployment, webhooks) = (stage.deployment, stage.deployment.names.webhooks)
                let line = try JSONValue(parsing: try await stage.command("topology", "--json").output.utf8)
                let policy = try #require(line["broker"]?["policy"]?.stringValue)
                // The words of the line, as a shell would take them.
                let words = policy.split(separator: " ").dropFirst().map {
                    $0.trimmingCharacters(in: CharacterSet(charactersIn: "'"))
                }
                let broker = deployment.broker
                try await onOwnThread { _ = try broker.run(["ctl"] + words) }
                let kept = try await Dead.onSession(stage) { session in
                    try session.publish(
                        routingKey: webhooks, properties: MessageProperties(isPersistent: true), body: [1])
                    try session.consume(webhooks, prefetch: 1)
                    for _ in 0..<30 {
                        guard let delivery = try session.receive(timeout: .seconds(5)) else { return false }
                        try session.reject(delivery, requeue: true)
                    }
                    return try session.receive(timeout: .seconds(5)) != nil
                }
                #expect(kept)
                try await onOwnThread { _ = try broker.control("clear_policy", "chat-worker-delivery-limit") }
            }
        }
    }
}
