import AMQP
import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// The main job against a real broker: chunks, terminal, webhook, usage event, ack.
@Suite(.serialized, .timeLimit(.minutes(3))) struct MainJobTests {
    /// Runs `body` with one worker; then drains it and takes everything away.
    static func withWorker(
        _ settings: Deployment.Settings = .init(), _ body: (Deployment, JobRunner) async throws -> Void
    ) async throws {
        let deployment = try await Deployment(settings)
        let runner = try await deployment.startWorker()
        do {
            try await body(deployment, runner)
        } catch {
            await runner.stop()
            try await deployment.tearDown()
            throw error
        }
        await runner.stop()
        try await deployment.tearDown()
    }

    @Test func oneJobFromQueueToWebhook() async throws {
        try await Self.withWorker { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("j-1")])
            let all = try await replies.terminal(of: "j-1")
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "j-1").first)
            AnswerCheck.expectContiguous(all)
            let last = try #require(all.last)
            #expect(last.properties.type == "chat.completion")
            #expect(last.properties.isPersistent && !all[0].properties.isPersistent)
            #expect(all.allSatisfy { $0.properties.correlationID == "correlation-j-1" })
            #expect(all.allSatisfy { $0.properties.headers.string("x-customer") == "acme" })
            let result = try #require(check.terminal)
            #expect(result["job"]?["metadata"]?["order"] == .number("7.0"), "echoed untouched")
            #expect(result["job"]?["model"]?.stringValue == Deployment.models[0])
            #expect(result["job"]?["usage_source"]?.stringValue == "provider")
            #expect(result["usage"]?["completion_tokens"]?.integerValue ?? 0 > 0)
            #expect(result["job"]?["cost"]?["amount"]?.doubleValue ?? 0 > 0)

            let hook = try await Self.firstWebhook(deployment)
            #expect(hook.verification == .verified)
            #expect(hook.type == "chat.completion.completed")
            let data = try JSONValue(parsing: hook.body)["data"]
            #expect(data == (try JSONValue(parsing: last.body)), "the webhook's data is the terminal's body")
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    static func firstWebhook(_ deployment: Deployment) async throws -> ReceivedWebhook {
        try #require(try await deployment.webhooks { !$0.isEmpty }.first)
    }

    static let hundred = (1...100).map { "customer_\($0)" }

    /// A job of each customer at once: every one has the whole of his answer, in his own queue. The collector reads on.
    static func answerEach(of customers: [String], on deployment: Deployment) async throws -> ReplyCollector {
        let replies = try await deployment.collector(customers: customers)
        do {
            try await deployment.enqueue(
                customers.enumerated().map { index, customer in
                    TestJob("job-\(customer)", customer: customer, model: Deployment.models[index % 4])
                })
            for customer in customers { try await replies.terminal(of: "job-\(customer)", timeout: .seconds(60)) }
            for customer in customers {
                let own = replies.replies(of: "job-\(customer)")
                #expect(own.allSatisfy { $0.queue == "\(deployment.prefix).reply.\(customer)" })
                let check = AnswerCheck(own)
                try check.expectComplete(deployment.gateway.answers(user: "job-\(customer)").first, "\(customer)")
                AnswerCheck.expectContiguous(own)
            }
            return replies
        } catch {
            replies.stop()
            throw error
        }
    }

    /// The guide's load test: a hundred customers at once over four models, each with a queue of its own.
    @Test func aHundredCustomersNothingCrossed() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokensPerSecond = 400
        settings.gateway.tokens = 60
        settings.gateway.varies = true
        settings.gateway.frames = .mixed
        settings.gateway.fragmentsMessages = true
        settings.gateway.escape = .some
        settings.gateway.splitsSurrogates = true
        try await Self.withWorker(settings) { deployment, runner in
            let customers = Self.hundred
            let replies = try await Self.answerEach(of: customers, on: deployment)
            defer { replies.stop() }
            #expect(replies.log.events.count == customers.reduce(0) { $0 + replies.replies(of: "job-\($1)").count })
            let hooks = try await deployment.webhooks { Set($0.map(\.id)).count == customers.count }
            #expect(hooks.allSatisfy { $0.verification == .verified })
            #expect(runner.status.completed == 100)
        }
    }

    @Test func connectionsAreReusedAndLateFramesReachNobody() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 20
        settings.gateway.varies = true
        settings.concurrency = 1
        settings.gateway.faults = [try FaultRule(parsing: "late")]
        try await Self.withWorker(settings) { deployment, _ in
            let customers = ["first", "second", "third", "fourth"]
            let replies = try await deployment.collector(customers: customers)
            defer { replies.stop() }
            for customer in customers {
                try await deployment.enqueue([TestJob("late-\(customer)", customer: customer)])
                let all = try await replies.terminal(of: "late-\(customer)")
                try AnswerCheck(all).expectComplete(deployment.gateway.answers(user: "late-\(customer)").first)
            }
            #expect(deployment.gateway.counters.connections < customers.count, "a connection was reused")
        }
    }

    @Test func toolCallsAndSeveralChoicesPassAsTheyCame() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 10
        settings.gateway.callsTools = true
        try await Self.withWorker(settings) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let tools = #","tools":[{"type":"function","function":{"name":"lookup","parameters":{}}}]"#
            try await deployment.enqueue([TestJob("tools", extra: tools), TestJob("choices", extra: ",\"n\":3")])
            let calls = try await replies.terminal(of: "tools")
            let tool = try #require(AnswerCheck(calls).terminal?["choices"]?.arrayValue?.first)
            #expect(tool["finish_reason"]?.stringValue == "tool_calls")
            let call = try #require(tool["message"]?["tool_calls"]?.arrayValue?.first)
            #expect(throws: Never.self) {
                try JSONValue(parsing: (call["function"]?["arguments"]?.stringValue ?? "").utf8)
            }
            #expect(
                calls.contains { String(decoding: $0.body, as: UTF8.self).contains("\"tool_calls\"") && !$0.isTerminal }
            )
            let several = try await replies.terminal(of: "choices")
            let answer = try #require(deployment.gateway.answers(user: "choices").first)
            let choices = try #require(AnswerCheck(several).terminal?["choices"]?.arrayValue)
            #expect(choices.map { $0["message"]?["content"]?.stringValue ?? "" } == answer.texts)
        }
    }

    @Test func aMissingReplyQueueDoesNotCostTheWebhook() async throws {
        try await Self.withWorker { deployment, runner in
            try await deployment.enqueue([TestJob("nobody-reads")])
            let hook = try await Self.firstWebhook(deployment)
            #expect(hook.verification == .verified && hook.job == "nobody-reads")
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func aSecondDeliveryOfARunningJobJoinsIt() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 30
        settings.gateway.tokensPerSecond = 60
        try await Self.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("twice"), TestJob("twice")])
            let all = try await replies.terminal(of: "twice")
            try AnswerCheck(all).expectComplete(deployment.gateway.answers(user: "twice").first)
            #expect(deployment.gateway.counters.requests == 1)
            _ = try await Self.firstWebhook(deployment)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    @Test func repliesOverATopicExchange() async throws {
        var settings = Deployment.Settings()
        settings.replyExchange = uniqueName("replies")
        try await Self.withWorker(settings) { deployment, _ in
            let exchange = try #require(settings.replyExchange)
            let amqp = deployment.amqp
            try await onOwnThread {
                let session = try AMQPSession(configuration: amqp, role: "reader")
                try session.declareQueue("\(exchange).reader", durable: true, arguments: ["x-expires": .int(60_000)])
                try session.bindQueue("\(exchange).reader", exchange: exchange, routingKey: "acme")
                session.close()
            }
            try await deployment.enqueue([TestJob("topic"), TestJob("foreign", customer: "other")])
            _ = try await Self.firstWebhook(deployment)
            try await deployment.gateway.waitForAnswers(2)
            let all = try await deployment.takeAll("\(exchange).reader", atLeast: 2)
            #expect(all.allSatisfy { $0.job == "topic" })
            try AnswerCheck(all).expectComplete(deployment.gateway.answers(user: "topic").first)
        }
    }

    @Test func theWorkerDeclaresReplyQueuesWhereToldTo() async throws {
        var settings = Deployment.Settings()
        settings.replyQueues = ReplyQueuePlan(
            kind: .classic, expires: .seconds(60), maximumLength: 10_000, maximumLengthBytes: 1 << 20)
        try await Self.withWorker(settings) { deployment, _ in
            try await deployment.enqueue([TestJob("declared", customer: "newcomer")])
            _ = try await Self.firstWebhook(deployment)
            let all = try await deployment.takeAll("\(deployment.prefix).reply.newcomer", atLeast: 1)
            try AnswerCheck(all).expectComplete(deployment.gateway.answers(user: "declared").first)
        }
    }
}
