import AMQP
import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// Budgets over `PREFIX.journal`, with the real broker.
@Suite(.serialized, .timeLimit(.minutes(3))) struct BudgetTests {
    /// A prompt of about 50 tokens costs 0.000125 USD, a token of an answer 0.000008.
    static let day = Money(usd: 0.001)
    static let token = Money(usd: 0.000_008)

    static func settings(
        tokens: Int = 400, _ limits: BudgetPolicy.Limits = .init(day: day)
    ) -> Deployment.Settings {
        var settings = Deployment.Settings()
        settings.gateway.tokens = tokens
        settings.gateway.tokensPerSecond = 200
        settings.budgets = BudgetPolicy(customers: ["acme": limits], assumedTokens: 50)
        settings.retry = RetryPolicy(firstWait: .milliseconds(100), jitter: 0, longestInWorker: .milliseconds(300))
        return settings
    }

    /// An answer that goes over is cut; who has nothing left is refused before the gateway is asked, others are not; a
    /// worker that starts anew knows what was spent.
    @Test func cutRefusedAndRemembered() async throws {
        let deployment = try await Deployment(Self.settings())
        let runner = try await deployment.startWorker()
        let replies = try await deployment.collector(customers: ["acme", "other"])
        defer { replies.stop() }
        try await deployment.enqueue([TestJob("cut"), TestJob("free", customer: "other").quiet])
        let all = try await replies.terminal(of: "cut")
        AnswerCheck.expectContiguous(all)
        let check = AnswerCheck(all)
        let failure = try #require(check.failure)
        #expect(failure["error"]?["type"]?.stringValue == "budget_exceeded")
        #expect(failure["error"]?["code"]?.stringValue == "budget_exceeded")
        #expect(failure["error"]?["stage"]?.stringValue == "streaming")
        let partial = failure["partial"]?["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue ?? ""
        #expect(!partial.isEmpty && check.reader.text == partial)
        let answer = try #require(deployment.gateway.answers(user: "cut").first)
        #expect(answer.text.hasPrefix(partial) && answer.end != .complete)
        // More than was reserved first, and not a token too much.
        let tokens = try #require(failure["partial"]?["usage"]?["completion_tokens"]?.integerValue)
        #expect((51...125).contains(tokens), "\(tokens)")
        let cost = Money(usd: try #require(failure["job"]?["total_cost"]?["amount"]?.doubleValue))
        #expect(cost > Self.day - Self.token - Self.token && cost <= Self.day + Self.token, "\(cost.decimal)")
        #expect(failure["job"]?["usage_source"]?.stringValue == "estimated")
        let hook = try await MainJobTests.firstWebhook(deployment)
        #expect(hook.type == "chat.completion.failed")
        try AnswerCheck(try await replies.terminal(of: "free")).expectComplete(
            deployment.gateway.answers(user: "free").first)

        try await Self.expectRefusal("refused", on: deployment, replies)
        await runner.stop()
        // It lies there when the worker comes, and is not begun before the journal is read.
        let asked = deployment.gateway.counters.requests
        try await deployment.enqueue([TestJob("waiting").quiet])
        let next = try await deployment.startWorker()
        let early = try #require(AnswerCheck(try await replies.terminal(of: "waiting")).failure)
        #expect(early["error"]?["stage"]?.stringValue == "waiting" && deployment.gateway.counters.requests == asked)
        try await Self.expectRefusal("refused-again", on: deployment, replies)
        await next.stop()
        #expect(next.status.failed == 2 && runner.status.failed == 2)
        #expect(runner.spending.reduce(Money.zero) { $0 + $1.cost } > Self.day)
        #expect(try await deployment.leftOver().isEmpty)
        try await deployment.tearDown()
    }

    /// Somebody deletes the journal under a worker: it is made anew and read from its beginning. What was spent is forgotten,
    /// what is spent from then on counts, and the job that runs meanwhile is not harmed.
    @Test func aJournalThatIsDeleted() async throws {
        let deployment = try await Deployment(Self.settings())
        let runner = try await deployment.startWorker()
        let replies = try await deployment.collector(customers: ["acme", "other"])
        defer { replies.stop() }
        try await deployment.enqueue([TestJob("first").quiet])
        try await replies.terminal(of: "first")
        try await Self.expectRefusal("refused", on: deployment, replies)
        try await deployment.enqueue([TestJob("running", customer: "other").quiet])
        try await replies.log.wait("a chunk") { $0.contains { $0.job == "running" } }
        let (amqp, journal) = (deployment.amqp, deployment.names.journal)
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "vandal")
            defer { session.close() }
            _ = try session.deleteQueue(journal)
        }
        try AnswerCheck(try await replies.terminal(of: "running")).expectComplete(
            deployment.gateway.answers(user: "running").first)
        #expect(deployment.gateway.answers(user: "running").count == 1, "the same answer goes on")
        try await deployment.enqueue([TestJob("anew").quiet])
        let failure = try #require(AnswerCheck(try await replies.terminal(of: "anew")).failure)
        #expect(failure["error"]?["code"]?.stringValue == "budget_exceeded")
        #expect(failure["error"]?["stage"]?.stringValue == "streaming", "nothing is known of what was spent before")
        try await Self.expectRefusal("refused-anew", on: deployment, replies)
        await runner.stop()
        #expect(try await deployment.leftOver().isEmpty)
        try await deployment.tearDown()
    }

    private static func expectRefusal(
        _ job: String, on deployment: Deployment, _ replies: ReplyCollector
    ) async throws {
        let asked = deployment.gateway.counters.requests
        try await deployment.enqueue([TestJob(job).quiet])
        let failure = try #require(AnswerCheck(try await replies.terminal(of: job)).failure)
        #expect(failure["error"]?["type"]?.stringValue == "budget_exceeded")
        #expect(failure["error"]?["stage"]?.stringValue == "waiting")
        #expect(failure["partial"]?.isNull == true)
        #expect(failure["job"]?["attempts"]?.integerValue == 0)
        #expect(failure["job"]?["total_cost"]?.isNull == true)
        #expect(deployment.gateway.counters.requests == asked, "\(job): the gateway was not asked")
    }

    /// What one worker spends the other one knows: together they spend no more than the budget, and what was begun at once.
    @Test func twoWorkersFollowEachOther() async throws {
        var settings = Self.settings(tokens: 20)
        settings.prefetch = 1
        settings.concurrency = 1
        let deployment = try await Deployment(settings)
        let workers = [try await deployment.startWorker(), try await deployment.startWorker()]
        let replies = try await deployment.collector(customers: ["acme"])
        defer { replies.stop() }
        // Each costs about 0.0003: three fit in.
        let jobs = (1...12).map { TestJob("job-\($0)", extra: #","max_tokens":20"#).quiet }
        try await deployment.enqueue(jobs)
        for job in jobs { try await replies.terminal(of: job.id, timeout: .seconds(60)) }
        for worker in workers { await worker.stop() }
        let checks = jobs.map { AnswerCheck(replies.replies(of: $0.id)) }
        let refused = checks.filter { $0.failure?["error"]?["type"]?.stringValue == "budget_exceeded" }
        let total = checks.compactMap { ($0.terminal ?? $0.failure)?["job"]?["total_cost"]?["amount"]?.doubleValue }
            .reduce(0, +)
        #expect(Money(usd: total) <= Self.day + Self.day, "\(total)")
        #expect((6...10).contains(refused.count), "\(refused.count) were refused or cut")
        #expect(workers.allSatisfy { $0.status.failed > 0 }, "both know")
        #expect(deployment.gateway.counters.requests <= 6)
        try await deployment.tearDown()
    }

    /// All that is left is reserved for a job that runs: the next one waits for what comes back.
    @Test func aReservationIsWaitedFor() async throws {
        var settings = Self.settings(tokens: 20)
        settings.gateway.tokensPerSecond = 20
        let deployment = try await Deployment(settings)
        let runner = try await deployment.startWorker()
        let replies = try await deployment.collector(customers: ["acme"])
        defer { replies.stop() }
        try await deployment.enqueue([TestJob("long", extra: #","max_tokens":1000"#).quiet])
        try await replies.log.wait("a chunk") { !$0.isEmpty }
        try await deployment.enqueue([TestJob("second", extra: #","max_tokens":20"#).quiet])
        try AnswerCheck(try await replies.terminal(of: "second")).expectComplete(
            deployment.gateway.answers(user: "second").first)
        #expect(AnswerCheck(replies.replies(of: "long")).terminal != nil)
        await runner.stop()
        #expect(runner.status.parked > 0)
        #expect(try await deployment.leftOver().isEmpty)
        try await deployment.tearDown()
    }

    /// An answer that broke off and was started over was paid for twice: each attempt has an event of its own.
    @Test func everyAttemptIsCharged() async throws {
        var settings = Self.settings(tokens: 30, .init())
        settings.retry.afterFirstToken = .restart
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let events = try await Self.eventQueue(deployment)
            try await deployment.enqueue([TestJob("twice", extra: #","x_simulate":"cut:10@1""#).quiet])
            let result = try #require(AnswerCheck(try await replies.terminal(of: "twice")).terminal)
            await runner.stop()
            let charges = try #require(result["job"]?["charges"]?.arrayValue)
            #expect(charges.map { $0["outcome"]?.stringValue } == ["discarded", "completed"])
            #expect(charges.map { $0["usage_source"]?.stringValue } == ["estimated", "provider"])
            #expect(charges.first?["completion_tokens"]?.integerValue == 10)
            #expect(result["job"]?["cost"] == charges.last?["cost"], "of the answer that is told")
            try Self.expectSum(charges, result)
            try await Self.expectEvents(charges, in: events, of: deployment, errors: [1: "gateway_closed"])
            #expect(runner.spending.first?.wastedAttempts == 1)
        }
    }

    static func expectSum(_ charges: [JSONValue], _ result: JSONValue) throws {
        let sum = charges.compactMap { $0["cost"]?["amount"]?.doubleValue }.reduce(0, +)
        let total = try #require(result["job"]?["total_cost"]?["amount"]?.doubleValue)
        #expect(abs(sum - total) < 1e-12)
    }

    /// All that is said on `PREFIX.events` from now on.
    static func eventQueue(_ deployment: Deployment) async throws -> String {
        let (amqp, exchange, queue) = (deployment.amqp, deployment.names.events, "\(deployment.prefix).billing")
        try await onOwnThread {
            let session = try AMQPSession(configuration: amqp, role: "billing")
            defer { session.close() }
            try session.declareQueue(queue, durable: true, arguments: ["x-expires": .int(120_000)])
            try session.bindQueue(queue, exchange: exchange, routingKey: "#")
        }
        return queue
    }

    /// For each charge of the result one usage event with its own id, and before it one that says that it began.
    /// - Parameter errors: by attempt, the code of what broke it off.
    static func expectEvents(
        _ charges: [JSONValue], in queue: String, of deployment: Deployment, errors: [Int: String] = [:]
    ) async throws {
        let events = try await deployment.takeAll(queue, atLeast: charges.count * 2)
        let usage = events.filter { $0.properties.type == "usage" }
        #expect(Set(usage.map(\.properties.messageID)).count == charges.count)
        #expect(events.count { $0.properties.type == "job.started" } == charges.count)
        // What else happened to the job has no schema.
        let schemas = ["usage": "usage-event", "job.started": "job-started"]
        for event in events {
            guard let schema = schemas[event.properties.type ?? ""] else { continue }
            #expect(try await ContractSchemas.complaint(about: event.body, schema) == nil)
        }
        for charge in charges {
            let attempt = try #require(charge["attempt"]?.integerValue)
            let event = try #require(usage.first { $0.properties.headers.integer("x-attempt") == Int64(attempt) })
            let body = try JSONValue(parsing: event.body)
            #expect(event.properties.messageID?.hasSuffix("/\(attempt)/usage") == true)
            #expect(body["job"]?["attempt"]?.integerValue == attempt)
            #expect(body["outcome"] == charge["outcome"])
            #expect(body["job"]?["cost"] == charge["cost"])
            #expect(body["job"]?["usage_source"] == charge["usage_source"])
            #expect(body["usage"]?["completion_tokens"] == charge["completion_tokens"])
            if let code = errors[Int(attempt)] { #expect(body["error"]?["code"]?.stringValue == code) }
        }
    }
}
