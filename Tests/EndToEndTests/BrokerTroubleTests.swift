import AMQP
import ChatModel
import Foundation
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// The broker misbehaves while answers stream: no second call to the gateway, nothing lost, nothing damaged.
@Suite(.serialized, .timeLimit(.minutes(3))) struct BrokerTroubleTests {
    static func settings() -> Deployment.Settings {
        var settings = Deployment.Settings()
        settings.broker = "trouble"
        settings.gateway.tokens = 120
        settings.gateway.tokensPerSecond = 40
        settings.gateway.varies = true
        return settings
    }

    /// Closes the worker's connections whose name ends so (a quote follows it), from the broker's side.
    static func close(_ role: String, of deployment: Deployment) async throws {
        let broker = deployment.broker
        try await onOwnThread {
            let list = try broker.control("-q", "list_connections", "pid", "client_properties")
            for line in list.split(separator: "\n") where line.contains("\(role)\"") {
                guard let pid = line.split(separator: "\t").first else { continue }
                _ = try broker.control("-q", "close_connection", String(pid), "test")
            }
        }
    }

    @Test func aLostPublishConnectionGoesOnUnderTheNextAttempt() async throws {
        var settings = Self.settings()
        // rabbitmqctl takes seconds on a busy machine; the answer must still be on its way then.
        settings.gateway.tokens = 400
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("reset")])
            try await replies.log.wait("first chunks") { $0.count >= 5 }
            try await Self.close("publisher-0", of: deployment)
            let all = try await replies.terminal(of: "reset")
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "reset").first)
            #expect(check.resets == 1)
            #expect(deployment.gateway.counters.requests == 1, "the gateway's stream went on")
            let attempts = Set(all.compactMap { $0.properties.headers.integer("x-attempt") })
            #expect(attempts == [1, 2])
        }
    }

    @Test func aLostConsumeConnectionAdoptsItsJobs() async throws {
        var settings = Self.settings()
        settings.gateway.tokens = 400
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("adopted")])
            try await replies.log.wait("first chunks") { $0.count >= 5 }
            try await Self.close("consumer", of: deployment)
            let all = try await replies.terminal(of: "adopted")
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "adopted").first)
            #expect(check.resets == 0)
            #expect(deployment.gateway.counters.requests == 1)
            _ = try await MainJobTests.firstWebhook(deployment)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty, "acked under its new delivery")
        }
    }

    /// All connections are closed again and again, and the jobs change hands each time: no worker has died, so nobody is
    /// suspected, and each attempt is charged with what came of it.
    @Test func connectionsThatAreLostCountAgainstNobody() async throws {
        var settings = Self.settings()
        settings.gateway.tokens = 160
        settings.gateway.tokensPerSecond = 20
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let second = try await deployment.startWorker()
            let broker = deployment.broker
            try await deployment.enqueue((1...4).map { TestJob("cut-\($0)") })
            try await deployment.gateway.waitUntilRequested(4)
            try await onOwnThread {
                for _ in 0..<7 { _ = try broker.control("-q", "close_all_user_connections", "guest", "test") }
            }
            let hooks = try await deployment.webhooks(within: .seconds(100)) { Set($0.map(\.job)).count == 4 }
            await second.stop()
            #expect(hooks.allSatisfy { $0.type == "chat.completion.completed" })
            for hook in hooks {
                let charges = try JSONValue(parsing: hook.body)["data"]?["job"]?["charges"]?.arrayValue ?? []
                #expect(!charges.isEmpty && !charges.contains { $0["outcome"]?.stringValue == "killed" })
            }
        }
    }

    @Test func aBlockedBrokerMakesChunksGrow() async throws {
        var settings = Self.settings()
        // rabbitmqctl takes seconds on a busy machine; the generation goes on behind the alarm.
        settings.gateway.tokens = 3_000
        settings.gateway.tokensPerSecond = 400
        settings.highWaterBytes = 4_096
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let broker = deployment.broker
            try await deployment.enqueue([TestJob("blocked")])
            try await replies.log.wait("first chunks") { $0.count >= 20 }
            try await onOwnThread { _ = try broker.control("set_vm_memory_high_watermark", "0.000001") }
            try await deployment.untilBlocked(runner)
            let before = replies.log.events.count
            try await onOwnThread { _ = try broker.control("set_vm_memory_high_watermark", "0.4") }
            let all = try await replies.terminal(of: "blocked", timeout: .seconds(60))
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "blocked").first)
            AnswerCheck.expectContiguous(all)
            let joined = all.dropFirst(before).map { $0.body.count }.max() ?? 0
            #expect(joined > 1_000, "bytes of the longest message, of what waited")
            #expect(deployment.gateway.counters.requests == 1)
        }
    }

    /// Random text in random escapes and fragments, while the broker stands still again and again: what a reader joins
    /// is what the gateway sent, and offsets and hash are right.
    @Test(arguments: [1, 2] as [UInt64])
    func randomStalls(seed: UInt64) async throws {
        var settings = Self.settings()
        settings.gateway.seed = seed
        settings.gateway.tokens = 300
        settings.gateway.tokensPerSecond = 200
        settings.gateway.frames = .mixed
        settings.gateway.fragmentsMessages = true
        settings.gateway.escape = .some
        settings.gateway.splitsSurrogates = true
        settings.confirmWindow = 4
        settings.highWaterBytes = 2_048
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let jobs = (1...8).map { "stall-\(seed)-\($0)" }
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let broker = try await onOwnThread { try deployment.broker.processID }
            try await deployment.enqueue(jobs.map { TestJob($0) })
            try await replies.log.wait("first chunks") { $0.count >= 20 }
            var random = SeededGenerator(seed: seed)
            for _ in 0..<5 {
                kill(broker, SIGSTOP)
                try await Task.sleep(for: .milliseconds(Int.random(in: 20...300, using: &random)))
                kill(broker, SIGCONT)
                try await Task.sleep(for: .milliseconds(Int.random(in: 20...100, using: &random)))
            }
            for job in jobs {
                let all = try await replies.terminal(of: job, timeout: .seconds(60))
                try AnswerCheck(all).expectComplete(deployment.gateway.answers(user: job).first, "\(job)")
                AnswerCheck.expectContiguous(all)
            }
            #expect(deployment.gateway.counters.requests == jobs.count)
        }
    }

    @Test func aRestartedBrokerLosesNothing() async throws {
        try await MainJobTests.withWorker(Self.settings()) { deployment, runner in
            try await deployment.enqueue((1...10).map { TestJob("restart-\($0)") })
            try await deployment.gateway.waitUntilRequested(10)
            let broker = deployment.broker
            try await onOwnThread { try broker.runUntilSound("restart") }
            let hooks = try await deployment.webhooks { Set($0.map(\.job)).count == 10 }
            #expect(hooks.allSatisfy { $0.verification == .verified && $0.type == "chat.completion.completed" })
            #expect(deployment.gateway.counters.requests == 10, "no second call to the gateway")
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }
}

extension Deployment {
    /// Returns when the worker knows that it is blocked.
    func untilBlocked(_ runner: JobRunner) async throws {
        for _ in 0..<400 where !runner.status.isBlocked { try await Task.sleep(for: .milliseconds(25)) }
        guard runner.status.isBlocked else { throw TestBroker.Failure(description: "not blocked") }
    }
}

extension SimulatedGateway {
    /// Returns when so many requests have come; the simulator has no event for that.
    func waitUntilAnswered(user: String, count: Int = 1) async throws {
        for _ in 0..<400 where answers(user: user).count < count { try await Task.sleep(for: .milliseconds(25)) }
        guard answers(user: user).count >= count else {
            throw TestBroker.Failure(description: "\(answers(user: user).count) answers for \(user)")
        }
    }

    func waitUntilRequested(_ count: Int) async throws {
        for _ in 0..<400 where counters.requests < count { try await Task.sleep(for: .milliseconds(25)) }
        guard counters.requests >= count else {
            throw TestBroker.Failure(description: "only \(counters.requests) requests")
        }
    }
}
