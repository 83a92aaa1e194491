import AMQP
import ChatModel
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// Jobs through a gateway that speaks server-sent events, from the queue to the webhook.
@Suite(.serialized, .timeLimit(.minutes(3))) struct EventStreamJobTests {
    enum Version: String, Sendable, CaseIterable { case http1, http2 }

    /// The gateway's options and the worker's own for one of the two.
    static func settings(_ spoken: Version) throws -> Deployment.Settings {
        var settings = Deployment.Settings()
        settings.usesEventStreams = true
        if spoken == .http2 {
            let files = try TestCertificate.localhost.get()
            settings.gateway.tls = .init(certificateFile: files.certificate, keyFile: files.key)
        }
        return settings
    }

    @Test(arguments: Version.allCases)
    func oneJobFromQueueToWebhook(_ spoken: Version) async throws {
        try await MainJobTests.withWorker(Self.settings(spoken)) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("j-1")])
            let all = try await replies.terminal(of: "j-1")
            let check = AnswerCheck(all)
            try check.expectComplete(deployment.gateway.answers(user: "j-1").first)
            AnswerCheck.expectContiguous(all)
            let result = try #require(check.terminal)
            #expect(result["job"]?["usage_source"]?.stringValue == "provider")
            #expect(result["usage"]?["completion_tokens"]?.integerValue ?? 0 > 0)
            let hook = try await MainJobTests.firstWebhook(deployment)
            #expect(hook.verification == .verified && hook.type == "chat.completion.completed")
            let data = try JSONValue(parsing: hook.body)["data"]
            #expect(data == (try JSONValue(parsing: try #require(all.last).body)))
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// Line ends of all kinds, comments, pieces cut at any byte, escapes: a hundred customers at once, nothing crossed.
    @Test(arguments: Version.allCases)
    func aHundredCustomersNothingCrossed(_ spoken: Version) async throws {
        var settings = try Self.settings(spoken)
        settings.gateway.tokensPerSecond = 400
        settings.gateway.tokens = 60
        settings.gateway.varies = true
        settings.gateway.lineEnd = .mixed
        settings.gateway.sendsComments = true
        settings.gateway.fragmentsMessages = true
        settings.gateway.escape = .some
        settings.gateway.splitsSurrogates = true
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await MainJobTests.answerEach(of: MainJobTests.hundred, on: deployment)
            replies.stop()
            #expect(runner.status.completed == 100)
        }
    }

    /// Usage that comes seconds after the text holds no place: the next job speaks before the first one has ended, and has
    /// lost nothing by it.
    @Test func aLateEndGivesItsPlaceAway() async throws {
        var settings = try Self.settings(.http1)
        settings.gateway.provider = try ProviderFixture.named("field:usage-late")
        settings.concurrency = 1
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("late-1"), TestJob("late-2")])
            for job in ["late-1", "late-2"] {
                let check = AnswerCheck(try await replies.terminal(of: job))
                let result = try #require(check.terminal)
                #expect(result["job"]?["usage_source"]?.stringValue == "provider", "it was waited for")
            }
            let order = replies.log.events
            let end = try #require(order.firstIndex { $0.job == "late-1" && $0.isTerminal })
            let beginning = try #require(order.firstIndex { $0.job == "late-2" })
            #expect(beginning < end)
            await runner.stop()
            #expect(try await deployment.leftOver().isEmpty)
        }
    }

    /// One job after another, of different models: one connection for all.
    @Test(arguments: Version.allCases)
    func connectionsAreReused(_ spoken: Version) async throws {
        var settings = try Self.settings(spoken)
        settings.gateway.tokens = 20
        settings.concurrency = 1
        try await MainJobTests.withWorker(settings) { deployment, _ in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            for index in 0..<6 {
                try await deployment.enqueue([TestJob("again-\(index)", model: Deployment.models[index % 4])])
                let all = try await replies.terminal(of: "again-\(index)")
                try AnswerCheck(all).expectComplete(deployment.gateway.answers(user: "again-\(index)").first)
            }
            // Each event loop has its own.
            #expect(deployment.gateway.counters.connections < 6, "a connection was reused")
        }
    }

    struct Failing: Sendable, CustomTestStringConvertible {
        var fault: String
        /// The code of the error reply; `nil`: the job is completed by another try.
        var code: String?
        /// Text came before the fault.
        var hasPartial = false
        var testDescription: String { fault }
    }

    @Test(
        arguments: Version.allCases,
        [
            Failing(fault: "refuse:503@1"), Failing(fault: "refuse:429:0@1-2"), Failing(fault: "cut:0@1"),
            Failing(fault: "reset:0@1"),
            Failing(fault: "refuse:401", code: "gateway_unauthorized"),
            Failing(fault: "refuse:400", code: "gateway_bad_request"),
            Failing(fault: "cut:5", code: "gateway_closed", hasPartial: true),
            Failing(fault: "close:1000:5", code: "gateway_closed", hasPartial: true),
            Failing(fault: "garbage:5", code: "gateway_invalid_chunk", hasPartial: true),
            Failing(fault: "utf8:5", code: "gateway_invalid_utf8", hasPartial: true),
            // The response is the answer, whatever ids its chunks have.
            Failing(fault: "swap-id:5"),
            Failing(fault: "error:server_error:5", code: "gateway_unavailable", hasPartial: true),
            Failing(fault: "silence:5", code: "gateway_idle_timeout", hasPartial: true),
        ])
    func failures(_ spoken: Version, _ failing: Failing) async throws {
        var settings = try Self.settings(spoken)
        settings.gateway.faults = [try FaultRule(parsing: failing.fault)]
        settings.gatewayTimeout = .seconds(1)
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("f-1")])
            let all = try await replies.terminal(of: "f-1")
            let check = AnswerCheck(all)
            if let code = failing.code {
                #expect(check.failure?["error"]?["code"]?.stringValue == code)
                let text = check.failure?["partial"]?["choices"]?.arrayValue?.first?["message"]?["content"]?.stringValue
                #expect((text ?? "").isEmpty != failing.hasPartial)
            } else {
                try check.expectComplete(deployment.gateway.answers(user: "f-1").last)
            }
            await runner.stop()
        }
    }

    /// A cancel closes the gateway's connection, or its stream: nothing more is written there.
    @Test(arguments: Version.allCases)
    func cancelled(_ spoken: Version) async throws {
        var settings = try Self.settings(spoken)
        settings.gateway.tokens = 100_000
        settings.gateway.tokensPerSecond = 100
        try await MainJobTests.withWorker(settings) { deployment, runner in
            let replies = try await deployment.collector(customers: ["acme"])
            defer { replies.stop() }
            try await deployment.enqueue([TestJob("c-1")])
            _ = try await replies.log.first("a chunk") { $0.properties.type == "chat.completion.chunk" ? $0 : nil }
            try await deployment.cancel("c-1")
            let all = try await replies.terminal(of: "c-1")
            #expect(AnswerCheck(all).failure?["error"]?["type"]?.stringValue == "cancelled")
            try await deployment.gateway.waitForAnswers(1)
            #expect(deployment.gateway.answers(user: "c-1").first?.end == .abandoned)
            await runner.stop()
        }
    }
}
