import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// Refusals that concern one job, or the operator, and not those who come after.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RefusedJobTests {
    /// One request is larger than the tokens of a minute: no wait lets it through, and no gate shuts for it.
    @Test(arguments: [false, true])
    func aRequestThatIsTooLarge(overHTTP: Bool) async throws {
        var settings = Deployment.Settings()
        settings.usesEventStreams = overHTTP
        settings.gateway.tokens = 3
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([
                TestJob("huge", extra: #","x_simulate":"refuse:429:never""#).quiet, TestJob("next").quiet,
            ])
            let failure = try #require(AnswerCheck(try await replies.terminal(of: "huge")).failure)
            #expect(failure["error"]?["code"]?.stringValue == "gateway_context_too_long")
            #expect(failure["job"]?["attempts"]?.integerValue == 1)
            try AnswerCheck(try await replies.terminal(of: "next")).expectComplete(
                deployment.gateway.answers(user: "next").last)
            await runner.stop()
            #expect(runner.status.rateLimited == 0)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// A job that meets 429 again and again while others are answered ends by itself, and its 429s stop nobody: after the first
    /// of them the gate stays open.
    @Test func aJobThatIsRefusedAgainAndAgain() async throws {
        var settings = Deployment.Settings()
        settings.gateway.tokens = 3
        settings.retry = RetryPolicy(retries: 3, firstWait: .milliseconds(20), jitter: 0)
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme", "other"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("stubborn", extra: #","x_simulate":"refuse:429""#).quiet])
            var others = 0
            while replies.replies(of: "stubborn").isEmpty, others < 500 {
                others += 1
                try await deployment.enqueue([TestJob("o-\(others)", customer: "other").quiet])
                try AnswerCheck(try await replies.terminal(of: "o-\(others)")).expectComplete(
                    deployment.gateway.answers(user: "o-\(others)").last)
            }
            let failure = try #require(AnswerCheck(try await replies.terminal(of: "stubborn")).failure)
            #expect(failure["error"]?["code"]?.stringValue == "gateway_rate_limited")
            #expect(failure["error"]?["retryable"] == .bool(false))
            #expect(others < 500)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// Without a fallback the error says what is the matter, at once, and whoever watches the worker is told.
    @Test(arguments: [("402", "gateway_quota_exhausted", "out_of_credit"), ("404", "gateway_not_found", "model_gone")])
    func whatSomebodyMustActOn(_ status: String, _ code: String, _ cause: String) async throws {
        var settings = Deployment.Settings()
        settings.usesEventStreams = true
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            for job in ["a", "b"] {
                try await deployment.enqueue([TestJob(job, extra: #","x_simulate":"refuse:\#(status)""#).quiet])
                let failure = try #require(AnswerCheck(try await replies.terminal(of: job)).failure)
                #expect(failure["error"]?["code"]?.stringValue == code)
                #expect(failure["error"]?["retryable"] == .bool(false))
            }
            let alerts = runner.snapshot.gateways.flatMap(\.metrics.alerts)
            #expect(alerts.map(\.cause.name) == [cause] && alerts.first?.count == 2)
            try await deployment.enqueue([TestJob("c").quiet])
            _ = try await replies.terminal(of: "c")
            #expect(runner.snapshot.gateways.flatMap(\.metrics.alerts).isEmpty, "it answers again")
        }
    }
}
