import AMQP
import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// Who has his turn when: one customer's crowd does not hold another's single job.
@Suite(.serialized, .timeLimit(.minutes(3))) struct TurnTests {
    @Test func aCrowdDoesNotMoveAnothersSingleJob() async throws {
        var settings = Deployment.Settings()
        settings.concurrency = 4
        settings.prefetch = 2_000
        settings.gateway.tokens = 2
        settings.gateway.firstTokenDelay = .milliseconds(20)
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["crowd", "single"])
            defer { replies.stop() }
            let crowd = (0..<1_500).map { TestJob("crowd-\($0)", customer: "crowd").quiet }
            try await deployment.enqueue(crowd)
            let single = TestJob("single", customer: "single").quiet
            let before = replies.log.events.count { $0.isTerminal }
            #expect(before < 1_000, "the crowd still waits")
            try await deployment.enqueue([single])
            try await replies.terminal(of: "single")
            let passed = replies.log.events.count { $0.isTerminal } - before
            #expect(passed < 60, "\(passed) of the crowd's jobs ended meanwhile")
            try await replies.log.wait("all", timeout: .seconds(60)) { $0.count { $0.isTerminal } == 1_501 }
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func aCapHolds() async throws {
        var settings = Deployment.Settings()
        settings.fairness = FairnessPolicy(customerConcurrency: 2)
        settings.gateway.tokens = 6
        settings.gateway.tokensPerSecond = 40
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme", "other"])
            defer { replies.stop() }
            try await deployment.enqueue(
                (0..<8).map { TestJob("capped-\($0)").quiet } + [TestJob("free", customer: "other").quiet])
            try await replies.terminal(of: "free")
            #expect(deployment.gateway.counters.requests <= 5, "two at a time")
            for index in 0..<8 { try await replies.terminal(of: "capped-\(index)") }
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }
}
