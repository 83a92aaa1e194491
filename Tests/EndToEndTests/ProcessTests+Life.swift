import AMQP
import ChatModel
import Foundation
import GatewaySimulator
import TestSupport
import Testing

extension ProcessTests {
    /// One job through everything that republishes it.
    @Suite(.serialized, .timeLimit(.minutes(4))) struct Life {
        /// Given up by the broker, dead-lettered, cancelled in vain, replayed, parked by a failing gateway, handed back by a
        /// worker that stops, and run to its end by another: one id, one customer, attempts that only grow.
        @Test(arguments: ["job", "user-id"])
        func throughEveryRepublication(customersFrom: String) async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokensPerSecond = 10
            settings.gateway.tokens = 20
            try await ProcessStage.run(
                settings,
                configure: { files, _ in
                    files.drainTimeout = "300ms"
                    files.more = """
                        [retry]
                        first_wait = "700ms"
                        in_worker = "10ms"
                        [customers]
                        from = "\(customersFrom)"
                        """
                }
            ) { stage in
                let deployment = stage.deployment
                let customer = customersFrom == "job" ? "acme" : "alice"
                let replies = try await deployment.collector(customers: [customer])
                defer { replies.stop() }
                #expect(try await stage.command("topology", "--declare").exitCode == 0)
                // Its expiration passes while no worker is there.
                var job = TestJob("life", customer: customer, extra: #","x_simulate":"cut:0@1""#)
                job.properties.expiration = "1"
                try await Self.enqueue(job, as: customersFrom == "job" ? nil : customer, on: deployment)
                let first = try await stage.startReadyWorker()
                let expired = try #require(AnswerCheck(try await replies.terminal(of: "life")).failure)
                #expect(expired["error"]?["code"]?.stringValue == "expired")
                try await Self.untilDead(1, stage)
                #expect(try await stage.command("cancel", "life", "--customer", customer).exitCode == 0)
                let replay = try await stage.command("dead", "replay", "life")
                #expect(replay.exitCode == 0, "\(replay.all)")
                // Its first try failed: it waits in the queues, and begins its answer thereafter.
                try await replies.log.wait("first chunks", timeout: .seconds(20)) { events in
                    events.count { $0.properties.type == "chat.completion.chunk" } >= 2
                }
                #expect(try await first.terminate() == 0)
                _ = try await stage.startReadyWorker()
                try await replies.log.wait("completion", timeout: .seconds(30)) { events in
                    events.contains { $0.properties.type == "chat.completion" }
                }
                let all = replies.replies(of: "life")
                AnswerCheck.expectContiguous(all)
                let check = AnswerCheck(all)
                #expect(check.terminals == 2, "the expiry's, and the answer")
                let answer = try #require(deployment.gateway.answers(user: "life").last)
                #expect(check.reader.text == answer.text)
                #expect(check.terminal?["job"]?["customer"]?.stringValue == customer)
                #expect(check.terminal?["job"]?["attempts"]?.integerValue == 3, "cut, handed back, whole")
                #expect(all.allSatisfy { $0.properties.headers.string("x-customer") == customer })
                // Dead-lettered, replayed, parked at least once, handed back.
                #expect(all.last?.properties.headers.integer("x-attempt") ?? 0 >= 4_000_001)
                for await hook in deployment.receiver.deliveries where hook.type == "chat.completion.completed" {
                    break
                }
                if let last = stage.workers.last { #expect(try await last.terminate() == 0) }
                #expect(try await deployment.leftOver().isEmpty)
            }
        }

        /// - Parameter user: a login of its own, which the broker vouches for.
        private static func enqueue(_ job: TestJob, as user: String?, on deployment: Deployment) async throws {
            guard let user else { return try await deployment.enqueue([job]) }
            let (broker, exchange) = (deployment.broker, deployment.names.intake)
            var amqp = deployment.amqp
            (amqp.username, amqp.password) = (user, "secret")
            let login = amqp
            var signed = job
            signed.properties.userID = user
            let message = signed
            try await onOwnThread {
                _ = try? broker.control("delete_user", user)
                try broker.control("add_user", user, "secret")
                try broker.control("set_permissions", user, "", ".*", "")
                let session = try AMQPSession(configuration: login, role: "backend")
                defer { session.close() }
                let outcome = try session.publish(
                    exchange: exchange, routingKey: "jobs", properties: message.properties, body: message.body,
                    mandatory: true)
                guard outcome == .confirmed else { throw TestBroker.Failure(description: "not confirmed: \(outcome)") }
            }
        }

        private static func untilDead(_ count: Int, _ stage: ProcessStage) async throws {
            let (amqp, dead) = (stage.deployment.amqp, stage.deployment.names.dead)
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "inspector")
                defer { session.close() }
                for _ in 0..<200 where try session.inspectQueue(dead).messageCount < count {
                    Thread.sleep(forTimeInterval: 0.05)
                }
            }
        }
    }
}
