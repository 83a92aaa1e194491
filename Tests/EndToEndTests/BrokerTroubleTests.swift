import AMQP
import ChatModel
import Foundation
import GatewaySimulator
import JobRunner
import Logging
import NIOPosix
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

    /// A direct reply-to of the right shape whose node is gone: RabbitMQ 3.10 closes the connection over each reply (541).
    static let deadReader =
        "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw=="

    @Test func repliesThatCloseTheConnectionStopNobody() async throws {
        try await MainJobTests.withWorker(Self.settings()) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let innocents = (1...5).map { "innocent-\($0)" }
            var poison = TestJob("poison")
            poison.properties.replyTo = Self.deadReader
            try await deployment.enqueue(innocents.prefix(3).map { TestJob($0).quiet } + [poison])
            let hook = try await MainJobTests.firstWebhook(deployment)
            #expect(hook.job == "poison" && hook.type == "chat.completion.completed", "the webhook tells the end")
            // RabbitMQ 4 knows that the reader is gone.
            let isFour = try await onOwnThread { try TestBroker.version()[0] >= 4 }
            #expect(isFour || runner.metrics.undeliverable.value >= 1)
            let lost = runner.snapshot.lostConnections
            // Whoever answers there again closes nothing.
            var again = TestJob("again")
            again.properties.replyTo = Self.deadReader
            try await deployment.enqueue(innocents.suffix(2).map { TestJob($0).quiet } + [again])
            for job in innocents {
                let check = AnswerCheck(try await replies.terminal(of: job), mayRepeat: true)
                try check.expectComplete(deployment.gateway.answers(user: job).first, "\(job)")
            }
            try await deployment.webhooks { $0.contains { $0.job == "again" } }
            #expect(runner.snapshot.lostConnections == lost)
            #expect(runner.snapshot.reasons.isEmpty)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
            #expect(try await deployment.takeAll(deployment.names.dead).isEmpty)
        }
    }

    @Test func aDeletedExchangeIsDeclaredAnew() async throws {
        try await MainJobTests.withWorker(Self.settings()) { deployment, runner in
            let (amqp, events) = (deployment.amqp, deployment.names.events)
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "vandal")
                defer { session.close() }
                try session.deleteExchange(events)
            }
            try await deployment.enqueue([TestJob("after")])
            let check = AnswerCheck(try await replies.terminal(of: "after"), mayRepeat: true)
            try check.expectComplete(deployment.gateway.answers(user: "after").first)
            _ = try await MainJobTests.firstWebhook(deployment)
            await runner.stop()
            let usage = try await onOwnThread { () -> Bool in
                let session = try AMQPSession(configuration: amqp, role: "inspector")
                defer { session.close() }
                try session.inspectExchange(events)
                try session.consume(
                    deployment.names.journal, prefetch: 100, arguments: ["x-stream-offset": .string("first")])
                while let delivery = try session.receive(timeout: .seconds(5)) {
                    if delivery.properties.type == "usage" { return true }
                }
                return false
            }
            #expect(usage, "it is bound to the journal again, and nothing was lost")
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// The worker's login may not write to the exchange of events (403): they are kept as dead letters, and jobs end.
    @Test func eventsThatMayNotBeWrittenAreDeadLettered() async throws {
        var settings = Self.settings()
        settings.gateway.tokens = 3
        let deployment = try await Deployment(settings)
        let (amqp, broker, names) = (deployment.amqp, deployment.broker, deployment.names)
        let prefix = deployment.prefix.replacing(".", with: "\\.")
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "operator")
            defer { session.close() }
            try session.declare(deployment.configuration.plan.topology)
            _ = try? broker.control("add_user", "limited", "limited")
            try broker.control(
                "set_permissions", "-p", amqp.virtualHost, "limited", ".*",
                "^(\(prefix)\\.(?!events).*|amq\\.default|)$", ".*")
        }
        var configuration = deployment.configuration
        configuration.broker.username = "limited"
        configuration.broker.password = "limited"
        let logger = Logger(label: "e2e") { _ in SwiftLogNoOpLogHandler() }
        let runner = try JobRunner(
            configuration: configuration, group: MultiThreadedEventLoopGroup.singleton,
            loggers: WorkerLoggers { _ in logger })
        try runner.start()
        await runner.untilReady()
        let replies = try await deployment.collector(customers: ["acme"])
        defer { replies.stop() }
        try await deployment.enqueue([TestJob("eventless")])
        let check = AnswerCheck(try await replies.terminal(of: "eventless"), mayRepeat: true)
        try check.expectComplete(deployment.gateway.answers(user: "eventless").first)
        _ = try await MainJobTests.firstWebhook(deployment)
        let dead = try await deployment.takeAll(names.dead, atLeast: 2)
        for letter in dead {
            let reason = letter.properties.headers.string("x-reason")
            #expect(reason?.hasPrefix("undeliverable: the broker closes the connection over it (403)") == true)
            #expect(letter.properties.headers.string("x-origin-queue") == names.events)
        }
        let usage = dead.first { $0.properties.type == "usage" }
        #expect(usage?.properties.messageID?.hasPrefix("eventless/") == true)
        await runner.stop()
        #expect(try await deployment.leftOver().isEmpty)
        try await deployment.tearDown()
    }

    /// The broker takes no message as large as the answer: the job ends with an error of its own.
    @Test func anAnswerTooLargeForTheBrokerEndsWithAnError() async throws {
        var settings = Self.settings()
        settings.gateway.tokens = 3_000
        settings.gateway.tokensPerSecond = 0
        let broker = try await onOwnThread { try TestBroker.named("trouble") }
        func limit(_ bytes: Int) async throws {
            try await onOwnThread {
                // Where 3.x and where 4.x look for it.
                _ = try broker.control(
                    "eval",
                    "application:set_env(rabbit, max_message_size, \(bytes)), "
                        + "persistent_term:put(max_message_size, \(bytes)).")
            }
        }
        // Of channels that are opened from now on.
        try await limit(6_000)
        defer {
            _ = try? broker.control(
                "eval",
                "application:set_env(rabbit, max_message_size, 16777216), "
                    + "persistent_term:put(max_message_size, 16777216).")
        }
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let small = TestJob("small", extra: #","x_simulate":"tokens:3""#).quiet
            try await deployment.enqueue([TestJob("large"), small])
            let check = AnswerCheck(try await replies.terminal(of: "large"))
            #expect(check.terminals == 1 && check.terminal == nil)
            #expect(check.failure?["error"]?["code"]?.stringValue == "answer_too_large_for_broker")
            #expect(check.failure?["partial"] == .null)
            let hook = try await MainJobTests.firstWebhook(deployment)
            #expect(hook.job == "large" && hook.type == "chat.completion.failed")
            let other = AnswerCheck(try await replies.terminal(of: "small"), mayRepeat: true)
            try other.expectComplete(deployment.gateway.answers(user: "small").first)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
            #expect(try await deployment.takeAll(deployment.names.dead).isEmpty)
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
