import AMQP
import ChatModel
import GatewaySimulator
import TestSupport
import Testing

extension ProcessTests {
    @Suite(.serialized, .timeLimit(.minutes(4))) struct Poison {
        /// A job that kills every worker that runs it, among a thousand: it ends, with an answer and a webhook, in the
        /// dead-letter queue, and all others complete.
        @Test func aJobThatKillsItsWorkerEndsAndItsNeighboursComplete() async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokens = 4
            settings.gateway.firstTokenDelay = .milliseconds(5)
            try await ProcessStage.run(settings) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme", "poisoner"])
                defer { replies.stop() }
                // Declares the topology.
                try await stage.startReadyWorker().kill()
                var jobs = (0..<1_000).map { TestJob("neighbour-\($0)").quiet }
                jobs.insert(TestJob("poison-1", customer: "poisoner"), at: 500)
                try await deployment.enqueue(jobs)
                let supervisor = Task {
                    var deaths = 0
                    while !Task.isCancelled {
                        let worker = try stage.startWorker(environment: ["CHAT_WORKER_FAILPOINT": "poison"])
                        _ = try await worker.process.exitCode(timeout: .seconds(200))
                        deaths += 1
                    }
                    return deaths
                }
                let poison = try await replies.terminal(of: "poison-1", timeout: .seconds(120))
                let failure = try #require(AnswerCheck(poison).failure)
                #expect(failure["error"]?["code"]?.stringValue == "delivery_limit")
                let hook = try await MainJobTests.firstWebhook(deployment)
                #expect(hook.type == "chat.completion.failed" && hook.job == "poison-1")
                try await replies.log.wait("all neighbours", timeout: .seconds(120)) { events in
                    events.count { $0.isTerminal } >= 1_001
                        && Set(events.lazy.filter(\.isTerminal).compactMap(\.job)).count == 1_001
                }
                let ends = Dictionary(grouping: replies.log.events.filter(\.isTerminal)) { $0.job ?? "" }
                let incomplete = ends.filter { job, ends in
                    job != "poison-1" && ends.last?.properties.type != "chat.completion"
                }
                #expect(incomplete.isEmpty)
                let dead = try await deployment.takeAll(deployment.names.dead, atLeast: 1)
                #expect(dead.map { $0.properties.messageID } == ["poison-1"])
                #expect(dead.first?.properties.headers.string("x-stage") == "waiting")
                supervisor.cancel()
                for worker in stage.workers { await worker.kill() }
                let deaths = try await supervisor.value
                // Beside others, among suspects, alone; one more if the journal did not have it yet that it had begun. The last
                // worker was killed here, and so may the one before have been.
                #expect((3...6).contains(deaths), "\(deaths) workers died")
                #expect(try await deployment.leftOver().isEmpty)
            }
        }
    }
}
