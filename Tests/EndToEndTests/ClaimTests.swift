import AMQP
import ChatModel
import Foundation
import GatewaySimulator
import JobRunner
import TestSupport
import Testing

/// Several workers and connections that break: whose job it is.
@Suite(.serialized, .timeLimit(.minutes(3))) struct ClaimTests {
    static func settings() -> Deployment.Settings {
        var settings = BrokerTroubleTests.settings()
        settings.gateway.tokens = 100
        settings.gateway.tokensPerSecond = 25
        return settings
    }

    /// The consume connections of all workers are cut while each streams: every job ends once, whoever has it then.
    @Test(arguments: [1, 3]) func jobsWhoseDeliveryWasLostEndOnce(workers: Int) async throws {
        let deployment = try await Deployment(Self.settings())
        var runners: [JobRunner] = []
        for _ in 0..<workers { runners.append(try await deployment.startWorker()) }
        let jobs = (1...12).map { "lost-\($0)" }
        let replies = try await deployment.collector(customers: ["acme"])
        try await deployment.enqueue(jobs.map { TestJob($0).quiet })
        try await replies.log.wait("all stream") { Set($0.map(\.job)).count == jobs.count }
        try await BrokerTroubleTests.close("consumer", of: deployment)
        for job in jobs {
            let all = try await replies.terminal(of: job, timeout: .seconds(60))
            let check = AnswerCheck(all)
            try check.expectComplete(
                deployment.gateway.answers(user: job).last { $0.end == .complete }, "\(job)")
            AnswerCheck.expectContiguous(all, mayMix: true)
        }
        for runner in runners { await runner.stop() }
        for job in jobs { #expect(replies.replies(of: job).count { $0.isTerminal } == 1, "\(job)") }
        if workers == 1 { #expect(deployment.gateway.counters.requests == jobs.count, "all were adopted") }
        #expect(try await deployment.leftOver().isEmpty)
        replies.stop()
        try await deployment.tearDown()
    }

    /// A worker moved a job and died before its ack: the copy runs at one worker, and what was left behind comes to another,
    /// which leaves it alone.
    @Test func whatAMoveLeftBehindIsNotRunBesideItsCopy() async throws {
        var settings = Self.settings()
        (settings.concurrency, settings.prefetch) = (1, 1)
        let deployment = try await Deployment(settings)
        let replies = try await deployment.collector(customers: ["acme"])
        let first = try await deployment.startWorker()
        let user = deployment.amqp.username
        let copy = TestJob(
            raw: TestJob("moved").quiet.body,
            properties: MessageProperties(
                headers: ["x-republished": .int(1)], isPersistent: true, messageID: "moved", userID: user))
        try await deployment.enqueue([copy])
        try await replies.log.wait("first chunks") { $0.count >= 3 }
        // Given out and given back: a delivery count of one.
        try await deployment.enqueue([TestJob("moved").quiet])
        try await onOwnThread {
            let session = try AMQPSession(configuration: deployment.amqp)
            #expect(try session.get(deployment.names.jobs) != nil)
            session.close()
        }
        let second = try await deployment.startWorker()
        let all = try await replies.terminal(of: "moved", timeout: .seconds(60))
        await first.stop()
        await second.stop()
        #expect(try await deployment.leftOver().isEmpty)
        let terminals = replies.replies(of: "moved").filter(\.isTerminal)
        #expect(terminals.count == 1)
        #expect(terminals.allSatisfy { ($0.properties.headers.integer("x-attempt") ?? 0) > 1_000_000 })
        let check = AnswerCheck(all)
        // What was left behind may have begun before the first worker's word of it came, and was cut then, without a word.
        try check.expectComplete(deployment.gateway.answers(user: "moved").last { $0.end == .complete })
        replies.stop()
        try await deployment.tearDown()
    }

    /// The job goes to another worker at once: whoever streamed it stops, and says nothing more.
    @Test func aClaimedJobIsLeftToItsNewWorker() async throws {
        var settings = Self.settings()
        settings.gateway.tokens = 200
        let deployment = try await Deployment(settings)
        let first = try await deployment.startWorker()
        let replies = try await deployment.collector(customers: ["acme"])
        try await deployment.enqueue([TestJob("moved").quiet])
        try await replies.log.wait("first chunks") { $0.count >= 5 }
        // The second worker has the free hands: the first does not consume any more when the job comes back.
        let second = try await deployment.startWorker()
        let stopping = Task { await first.stop() }
        try await BrokerTroubleTests.close("consumer", of: deployment)
        let all = try await replies.terminal(of: "moved", timeout: .seconds(60))
        let check = AnswerCheck(all)
        try check.expectComplete(deployment.gateway.answers(user: "moved").last { $0.end == .complete })
        AnswerCheck.expectContiguous(all, mayMix: true)
        await stopping.value
        await second.stop()
        #expect(replies.replies(of: "moved").count { $0.isTerminal } == 1)
        #expect(try await deployment.leftOver().isEmpty)
        replies.stop()
        try await deployment.tearDown()
    }
}
