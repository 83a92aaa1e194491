import AMQP
import ChatModel
import GatewaySimulator
import TestSupport
import Testing

extension ProcessTests {
    /// What a worker leaves unpaid that dies.
    @Suite(.serialized, .timeLimit(.minutes(2))) struct Costs {
        /// Killed in the middle of an answer: who gets the job next says what that cost, as far as it can be told.
        @Test func anAttemptThatWasKilledIsEstimated() async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokens = 40
            settings.gateway.tokensPerSecond = 50
            try await ProcessStage.run(settings) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let doomed = try stage.startWorker(environment: ["CHAT_WORKER_FAILPOINT": "chunk:20"])
                try await doomed.untilReady()
                let events = try await BudgetTests.eventQueue(deployment)
                try await deployment.enqueue([TestJob("killed").quiet])
                _ = try await doomed.process.exitCode(timeout: .seconds(20))
                let second = try await stage.startReadyWorker()
                let result = try #require(AnswerCheck(try await replies.terminal(of: "killed")).terminal)
                #expect(try await second.terminate() == 0)
                let charges = try #require(result["job"]?["charges"]?.arrayValue)
                #expect(charges.map { $0["outcome"]?.stringValue } == ["killed", "completed"])
                #expect(charges.map { $0["attempt"]?.integerValue } == [1, 1_001])
                #expect(charges.first?["usage_source"]?.stringValue == "estimated")
                #expect(charges.first?["prompt_tokens"]?.integerValue ?? 0 > 20)
                #expect(charges.first?["completion_tokens"]?.integerValue ?? 0 >= 20, "a hundred for each second")
                try BudgetTests.expectSum(charges, result)
                try await BudgetTests.expectEvents(charges, in: events, of: deployment)
                #expect(try await deployment.leftOver().isEmpty)
            }
        }

        /// Handed back in the middle of an answer: what was used until then has its event, and the total goes along.
        @Test func anAnswerThatIsHandedBackIsCharged() async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokens = 60
            settings.gateway.tokensPerSecond = 30
            try await ProcessStage.run(settings, configure: { files, _ in files.drainTimeout = "100ms" }) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let first = try await stage.startReadyWorker()
                try await deployment.enqueue([TestJob("back").quiet])
                try await replies.log.wait("chunks") { $0.count >= 5 }
                #expect(try await first.terminate() == 0)
                let second = try await stage.startReadyWorker()
                let result = try #require(AnswerCheck(try await replies.terminal(of: "back")).terminal)
                #expect(try await second.terminate() == 0)
                #expect(result["job"]?["charges"]?.arrayValue?.count == 1, "of this life")
                let cost = try #require(result["job"]?["cost"]?["amount"]?.doubleValue)
                let total = try #require(result["job"]?["total_cost"]?["amount"]?.doubleValue)
                #expect(total > cost + 4 * 0.000_008)
            }
        }
    }
}
