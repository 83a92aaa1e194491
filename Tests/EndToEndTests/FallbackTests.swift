import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// Jobs whose model cannot answer, and who answers instead.
@Suite(.serialized, .timeLimit(.minutes(3))) struct FallbackTests {
    static let first = Deployment.models[0]
    static let second = "second"

    /// Two gateways; `first` of the one falls back on `second` of the other.
    static func settings(
        _ faults: String..., causes: Set<FallbackCause> = Set(FallbackCause.allCases)
    ) throws -> Deployment.Settings {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 4
        settings.gateway.faults = try faults.map { try FaultRule(parsing: $0) }
        settings.other = SimulatedGateway.Options()
        settings.other?.text = "The other one speaks."
        settings.retry = RetryPolicy(retries: 1, firstWait: .milliseconds(50), jitter: 0)
        settings.changeRules = { rules in
            rules.models[first]?.fallbacks = [second]
            rules.models[first]?.fallbackCauses = causes
            rules.models[second] = ModelRoute(
                gateway: "other", upstreamModel: "gpt-other", price: Price(input: 0, output: 1_000_000))
            rules.profiles["careful"] = Profile(model: Deployment.models[1], fallbacks: [second])
        }
        return settings
    }

    private func expectOther(
        _ replies: ReplyCollector, _ job: String, _ deployment: Deployment, _ reason: String
    )
        async throws
    {
        let check = AnswerCheck(try await replies.terminal(of: job))
        try check.expectComplete(deployment.other?.answers(user: job).first, "\(job)")
        let result = try #require(check.terminal?["job"])
        #expect(result["fallback"]?["from"]?.stringValue == Self.first)
        #expect(result["fallback"]?["reason"]?.stringValue == reason)
        #expect(result["model"]?.stringValue == "gpt-other")
        let tokens = check.terminal?["usage"]?["completion_tokens"]?.integerValue ?? 0
        #expect(tokens > 0 && result["cost"]?["amount"]?.doubleValue == Double(tokens), "the other's price")
    }

    @Test(
        arguments: [
            ("refuse:503", "unavailable"), ("refuse:429:60", "rate_limited"), ("cut:0", "unavailable"),
            ("error:context_length_exceeded:0", "context_too_long"), ("error:content_filter:0:flat", "content_filter"),
            ("filter", "content_filter"), ("refuse:403", "unavailable"), ("close:1013", "unavailable"),
            ("refuse:402", "out_of_credit"), ("refuse:404", "model_gone"), ("refuse:413", "context_too_long"),
            ("refuse:429:never", "context_too_long"),
        ], [false, true])
    func anotherModelAnswers(_ test: (fault: String, reason: String), overHTTP: Bool) async throws {
        var settings = try Self.settings(test.fault)
        settings.usesEventStreams = overHTTP
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("j-1").quiet])
            try await expectOther(replies, "j-1", deployment, test.reason)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// What was reserved for the attempt that has failed is free for the one that follows.
    @Test func aFailedAttemptLeavesItsBudgetToTheFallback() async throws {
        var settings = try Self.settings("refuse:503")
        settings.budgets = BudgetPolicy(
            customers: ["acme": .init(day: Money(usd: 0.000_6))], assumedTokens: 50)
        let change = settings.changeRules
        settings.changeRules = { rules in
            change(&rules)
            rules.models[Self.second]?.price = Price(input: 2.5, output: 8)
        }
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            // One attempt may reserve nearly all of the day.
            for job in ["j-1", "j-2"] {
                try await deployment.enqueue([TestJob(job).quiet])
                let check = AnswerCheck(try await replies.terminal(of: job))
                try check.expectComplete(deployment.other?.answers(user: job).first, "\(job)")
            }
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// Nobody listens there.
    @Test func aGatewayThatIsAway() async throws {
        try await MainJobTests.withWorker(Self.settings()) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            await deployment.gateway.shutdown()
            try await deployment.enqueue([TestJob("j-1").quiet])
            try await expectOther(replies, "j-1", deployment, "unavailable")
        }
    }

    /// After the first token nobody else is asked.
    @Test func notAfterTheFirstToken() async throws {
        try await MainJobTests.withWorker(Self.settings("cut:2")) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("j-1").quiet])
            let failure = try #require(AnswerCheck(try await replies.terminal(of: "j-1")).failure)
            #expect(failure["error"]?["code"]?.stringValue == "gateway_closed")
            #expect(failure["job"]?["fallback"] == nil)
            #expect(deployment.other?.counters.requests == 0)
        }
    }

    /// A filter that ends an answer after some of it was told ends the job, as any answer that is complete.
    @Test func aFilterAfterTheFirstToken() async throws {
        try await MainJobTests.withWorker(Self.settings("filter:2")) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("j-1").quiet])
            let result = try #require(AnswerCheck(try await replies.terminal(of: "j-1")).terminal)
            #expect(
                result["choices"]?.arrayValue?.first?["finish_reason"]?.stringValue == "content_filter")
            #expect(result["usage"]?["completion_tokens"]?.integerValue == 2)
            #expect(deployment.other?.counters.requests == 0)
        }
    }

    /// A kind that is not in `fallback_on` is waited for, as by a job without fallbacks.
    @Test func onlyForTheChosenKinds() async throws {
        try await MainJobTests.withWorker(Self.settings("refuse:429:1@1", causes: [.unavailable])) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("j-1").quiet])
            try AnswerCheck(try await replies.terminal(of: "j-1")).expectComplete(
                deployment.gateway.answers(user: "j-1").first)
            #expect(deployment.other?.counters.requests == 0)
        }
    }

    @Test func aProfilesFallbacks() async throws {
        try await MainJobTests.withWorker(Self.settings("refuse:503")) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            var job = TestJob("j-1", model: nil).quiet
            job.properties.headers["x-profile"] = .string("careful")
            try await deployment.enqueue([job])
            let check = AnswerCheck(try await replies.terminal(of: "j-1"))
            try check.expectComplete(deployment.other?.answers(user: "j-1").first)
            #expect(check.terminal?["job"]?["fallback"]?["from"]?.stringValue == Deployment.models[1])
        }
    }

    /// Where all fail, the round begins anew after a wait, and the retries are counted by rounds.
    @Test func whereAllFail() async throws {
        var settings = try Self.settings("refuse:503")
        settings.other?.faults = [try FaultRule(parsing: "refuse:500")]
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("j-1").quiet])
            let failure = try #require(AnswerCheck(try await replies.terminal(of: "j-1")).failure)
            #expect(failure["error"]?["code"]?.stringValue == "gateway_unavailable")
            #expect(failure["job"]?["attempts"]?.integerValue == 4)
            #expect(deployment.gateway.counters.refused == 2 && deployment.other?.counters.refused == 2)
        }
    }

    /// While it cools down nobody with a fallback asks it; then one job does, and all come back.
    @Test func aModelCoolsDown() async throws {
        var settings = try Self.settings("refuse:503@1-2")
        settings.gatewayRules = ["main": GatewayRules(coolDown: .init(failures: 2, first: .seconds(1)))]
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            let started = ContinuousClock.now
            var attempts: [Int] = []
            for number in 1...4 {
                try await deployment.enqueue([TestJob("j-\(number)").quiet])
                try await expectOther(replies, "j-\(number)", deployment, "unavailable")
                let check = AnswerCheck(replies.replies(of: "j-\(number)"))
                attempts.append(check.terminal?["job"]?["attempts"]?.integerValue ?? 0)
            }
            if ContinuousClock.now - started < .seconds(1) {
                #expect(attempts == [2, 2, 1, 1])
                #expect(deployment.gateway.counters.refused == 2)
            }
            for number in 5...1_000 {
                try await deployment.enqueue([TestJob("j-\(number)").quiet])
                let result = AnswerCheck(try await replies.terminal(of: "j-\(number)")).terminal?["job"]
                if result?["fallback"] == nil { return }
            }
            Issue.record("it never came back")
        }
    }

    /// Far more jobs than a gateway may have at once, with a part of them refused: they wait, and none is lost.
    @Test func aSurgeWaitsWithinTheLimits() async throws {
        var settings = Deployment.Settings()
        settings.concurrency = 60
        settings.prefetch = 120
        settings.gateway.tokens = 6
        settings.gateway.tokensPerSecond = 600
        settings.gateway.faults = [try FaultRule(parsing: "cut:0@5%")]
        settings.retry = RetryPolicy(retries: 8, firstWait: .milliseconds(20), jitter: 0)
        settings.changeRules = { rules in rules.models[Self.first]?.maximumInFlight = 4 }
        settings.gatewayRules = [
            "main": GatewayRules(maximumInFlight: 10, coolDown: .init(failures: 3, first: .milliseconds(50)))
        ]
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let customers = (0..<5).map { "c-\($0)" }
            let replies = try await deployment.collector(customers: customers)
            defer { replies.stop() }
            let jobs = (0..<400).map { number in
                TestJob(
                    "s-\(number)", customer: customers[number % 5], model: Deployment.models[number % 4]
                ).quiet
            }
            try await deployment.enqueue(jobs)
            for job in jobs {
                try AnswerCheck(try await replies.terminal(of: job.id, timeout: .seconds(90))).expectComplete(
                    deployment.gateway.answers(user: job.id).last, "\(job.id)")
            }
            #expect(deployment.gateway.counters.mostAtOnce <= 10)
            #expect(deployment.gateway.counters.mostAtOnce >= 5, "the room that there is is used")
            try await deployment.enqueue([TestJob("after", customer: "c-0").quiet])
            try AnswerCheck(try await replies.terminal(of: "after")).expectComplete(
                deployment.gateway.answers(user: "after").last)
            await runner.stop()
            #expect(runner.status.completed == 401 && runner.status.waiting == 0)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }
}
