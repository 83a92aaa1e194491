import AMQP
import ChatModel
import Foundation
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// What is tried again, where it waits meanwhile, and what that costs.
@Suite(.serialized, .timeLimit(.minutes(3))) struct RetryTests {
    /// 429 stops the one model, at once and for as long as the gateway asks; another model goes on; nothing is lost, and
    /// no try of the job is used up.
    @Test func aRateLimitStopsItsModelOnly() async throws {
        var settings = Deployment.Settings()
        settings.retry = RetryPolicy(retries: 1, firstWait: .milliseconds(100), jitter: 0)
        settings.gateway.tokens = 3
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            // Refused three times, which is more than may fail.
            try await deployment.enqueue([TestJob("limited", extra: #","x_simulate":"refuse:429:1@1-3""#).quiet])
            try await deployment.gateway.waitUntilRequested(1)
            let start = ContinuousClock.now
            try await deployment.enqueue(
                (1...5).map { TestJob("same-\($0)").quiet } + [TestJob("other", model: Deployment.models[1]).quiet])
            try await replies.terminal(of: "other")
            #expect(replies.replies(of: "limited").isEmpty, "another model does not wait")
            #expect(replies.replies(of: "same-1").isEmpty)
            for job in ["limited", "same-1", "same-2", "same-3", "same-4", "same-5"] {
                try AnswerCheck(try await replies.terminal(of: job)).expectComplete(
                    deployment.gateway.answers(user: job).last, "\(job)")
            }
            #expect(ContinuousClock.now - start >= .seconds(2.5), "Retry-After is honoured")
            await runner.stop()
            #expect(runner.status.rateLimited == 3)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// A try that did not come from the line is refused: the job goes into the line all the same.
    @Test func aRateLimitAfterAnotherFailure() async throws {
        try await MainJobTests.withWorker { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("both", extra: #","x_simulate":"cut:0@1,refuse:429:1@2""#).quiet])
            try AnswerCheck(try await replies.terminal(of: "both")).expectComplete(
                deployment.gateway.answers(user: "both").last)
            await runner.stop()
            #expect(runner.status.rateLimited == 1)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// A long wait is spent in the broker's waiting queues: no place is held, and others run meanwhile.
    @Test func aLongWaitHoldsNoPlace() async throws {
        var settings = Deployment.Settings()
        settings.concurrency = 1
        settings.retry = RetryPolicy(
            firstWait: .milliseconds(1_200), jitter: 0, longestInWorker: .milliseconds(50))
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("patient", extra: #","x_simulate":"cut:0@1""#).quiet])
            try await deployment.gateway.waitUntilRequested(1)
            try await deployment.enqueue([TestJob("quick").quiet])
            try await replies.terminal(of: "quick")
            #expect(deployment.gateway.answers(user: "patient").count == 1)
            let all = try await replies.terminal(of: "patient")
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "patient").last)
            #expect(check.terminal?["job"]?["attempts"]?.integerValue == 2, "its first life is counted")
            #expect(all.last?.properties.headers.integer("x-attempt") ?? 0 > 1_000_000)
            await runner.stop()
            #expect(runner.status.parked == 1)
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// A job that cannot begin for long leaves the worker for a while, so that its delivery does not grow old.
    @Test func aJobThatWaitsTooLongIsParked() async throws {
        var settings = Deployment.Settings()
        settings.concurrency = 1
        settings.parkAfter = .milliseconds(300)
        settings.gateway.tokens = 40
        settings.gateway.tokensPerSecond = 20
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("long").quiet])
            try await replies.log.wait("first chunk") { !$0.isEmpty }
            try await deployment.enqueue([TestJob("waiting", extra: #","x_simulate":"tokens:1""#).quiet])
            for _ in 0..<400 where runner.status.parked == 0 { try await Task.sleep(for: .milliseconds(5)) }
            #expect(runner.status.parked == 1 && runner.status.waiting == 0)
            try await deployment.cancel("waiting")
            // Cancelled, it need not wait on: it comes by after half a second at most.
            #expect(AnswerCheck(try await replies.terminal(of: "waiting")).failure != nil)
            try await replies.terminal(of: "long")
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// `retry.after_first_token = "restart"`: readers are told, and what was thrown away is counted.
    @Test func anAnswerThatBreaksOffStartsOver() async throws {
        var settings = Deployment.Settings()
        settings.retry = RetryPolicy(firstWait: .milliseconds(100), jitter: 0, afterFirstToken: .restart)
        settings.gateway.tokens = 20
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("over", extra: #","x_simulate":"cut:7@1-2""#).quiet])
            let all = try await replies.terminal(of: "over")
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "over").last)
            #expect(check.resets == 2)
            AnswerCheck.expectContiguous(all)
            #expect(check.terminal?["job"]?["attempts"]?.integerValue == 3)
            #expect(check.terminal?["job"]?["tokens_wasted"]?.integerValue == 14)
        }
    }

    /// Where no try succeeds the longest text that came is told: it was paid for.
    @Test func theLongestPartialTextIsKept() async throws {
        var settings = Deployment.Settings()
        settings.retry = RetryPolicy(retries: 2, firstWait: .milliseconds(50), jitter: 0, afterFirstToken: .restart)
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([
                TestJob("partial", extra: #","x_simulate":"cut:3@1,cut:9@2,cut:0@3""#).quiet
            ])
            let check = AnswerCheck(try await replies.terminal(of: "partial"))
            let failure = try #require(check.failure)
            let partial = failure["partial"]?["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
            #expect(partial == deployment.gateway.answers(user: "partial")[1].text)
            #expect(failure["job"]?["tokens_wasted"]?.integerValue == 3)
        }
    }

    @Test(arguments: [
        ("first-token:60000", "gateway_first_chunk_timeout", "first_chunk"),
        ("silence:3", "gateway_idle_timeout", "streaming"),
    ])
    func silencesHaveNames(simulate: String, code: String, stage: String) async throws {
        var settings = Deployment.Settings()
        settings.retry = RetryPolicy(retries: 0)
        settings.gatewayTimeout = .milliseconds(500)
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("silent", extra: ",\"x_simulate\":\"\(simulate)\"")])
            let failure = try #require(AnswerCheck(try await replies.terminal(of: "silent")).failure)
            #expect(failure["error"]?["code"]?.stringValue == code)
            #expect(failure["error"]?["stage"]?.stringValue == stage)
        }
    }

    @Test func limitsCut() async throws {
        var settings = Deployment.Settings()
        settings.totalTimeout = .milliseconds(700)
        settings.gateway.tokensPerSecond = 20
        settings.gateway.tokens = 1_000
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            var late = TestJob("late").quiet
            late.properties.headers["x-deadline"] = .string("2020-01-01T00:00:00Z")
            let soon = Timestamp(milliseconds: WallTime.milliseconds + 400).rfc3339
            var cut = TestJob("cut").quiet
            cut.properties.headers["x-deadline"] = .string(soon)
            try await deployment.enqueue([late, cut, TestJob("total").quiet])
            for (job, code, hasText) in [
                ("late", "deadline_exceeded", false), ("cut", "deadline_exceeded", true),
                ("total", "total_timeout", true),
            ] {
                let failure = try #require(AnswerCheck(try await replies.terminal(of: job)).failure)
                #expect(failure["error"]?["code"]?.stringValue == code, "\(job)")
                #expect((failure["partial"] != .null) == hasText, "\(job)")
            }
            await runner.stop()
            #expect(deployment.gateway.counters.requests == 2, "a job past its deadline is not started")
        }
    }
}

/// Milliseconds since 1970, now.
enum WallTime {
    static var milliseconds: Int64 { Int64(Date().timeIntervalSince1970 * 1_000) }
}
