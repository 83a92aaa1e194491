import ChatModel
import Foundation
import GatewaySimulator
import TestSupport
import Testing

extension ProcessTests {
    /// What a worker stands on gives way: where its log goes, the clock, its place in the middle of thousands of streams.
    @Suite(.serialized) struct Surroundings {
        /// A full disk, a standard error that was never opened, a reader that has gone.
        @Test(arguments: ["2>/dev/full", "2>&-", "2> >(true)"])
        func aLogThatCannotBeWrittenStopsNothing(redirection: String) async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokens = 20
            try await ProcessStage.run(settings) { stage in
                let deployment = stage.deployment
                let worker = try stage.startWorker(
                    launcher: ["/bin/bash", "-c", "exec \"$0\" \"$@\" \(redirection)"])
                try await worker.untilReady()
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let jobs = (1...20).map { "unlogged-\($0)" }
                try await deployment.enqueue(jobs.map { TestJob($0) })
                for job in jobs {
                    try AnswerCheck(try await replies.terminal(of: job)).expectComplete(
                        deployment.gateway.answers(user: job).first, "\(job)")
                }
                #expect(try await worker.terminate() == 0)
                #expect(worker.process.errors.isEmpty, "nothing could be written")
                #expect(deployment.gateway.counters.requests == jobs.count)
                #expect(try await deployment.leftOver(besides: deployment.names.webhooks).isEmpty)
            }
        }

        /// The clock on the wall is set forward and back while an answer streams and another job waits in the broker: what
        /// waits and what is measured goes by the monotonic clock, and no wait grows by what the clock lost.
        @Test func theClockMayJump() async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokens = 80
            settings.gateway.tokensPerSecond = 20
            try await ProcessStage.run(
                settings,
                configure: { files, _ in
                    files.more = """
                        [retry]
                        first_wait = "2s"
                        in_worker = "0s"
                        """
                }
            ) { stage in
                let deployment = stage.deployment
                let clock = try FakeClock(folder: stage.files.folder)
                let worker = try stage.startWorker(environment: clock.environment)
                try await worker.untilReady()
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                try await deployment.enqueue([
                    TestJob("streaming"), TestJob("waiting", extra: #","x_simulate":"cut:0@1,tokens:3""#).quiet,
                ])
                _ = try await worker.log.first("parked") { event in
                    if case .error(let line) = event, line.contains("job moved") { true } else { nil }
                }
                for offset in [7_200, -10_800] {
                    let seen = replies.replies(of: "streaming").count
                    try clock.set(offset)
                    try await replies.log.wait("more chunks") { events in
                        events.count { $0.job == "streaming" } >= seen + 10
                    }
                }
                try clock.set(-7_000)
                let waited = AnswerCheck(try await replies.terminal(of: "waiting", timeout: .seconds(20)))
                try waited.expectComplete(deployment.gateway.answers(user: "waiting").last)
                _ = try await worker.log.first("its line") { event in
                    if case .error(let line) = event, line.contains("job completed") { true } else { nil }
                }
                try clock.set(0)
                let streamed = try await replies.terminal(of: "streaming")
                try AnswerCheck(streamed).expectComplete(deployment.gateway.answers(user: "streaming").first)
                AnswerCheck.expectContiguous(streamed)
                #expect(streamed.allSatisfy { $0.properties.headers.integer("x-attempt") == 1 })
                let hook = try await MainJobTests.firstWebhook(deployment)
                #expect(hook.verification == .verified)
                #expect(try await worker.terminate() == 0)
                // Else nothing was shown.
                let hours = try worker.logLines().compactMap { $0["time"]?.stringValue?.prefix(13) }
                #expect(Set(hours).count >= 2, "the worker's clock did jump")
            }
        }

        /// SIGTERM with thousands of answers under way, of which none can end in time: all go back, and each is told once.
        @Test func aDrainHandsThousandsBack() async throws {
            let count = 2_000
            var settings = Deployment.Settings()
            settings.gateway.tokens = 2
            settings.gateway.recordsAnswers = false
            settings.gateway.threads = 2
            try await ProcessStage.run(
                settings,
                configure: { files, _ in
                    files.drainTimeout = "1s"
                    files.concurrency = count
                }
            ) { stage in
                let deployment = stage.deployment
                let first = try await stage.startReadyWorker()
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                // The first try of each never ends; the next is the gateway's usual one.
                let jobs = (1...count).map { TestJob("many-\($0)", extra: #","x_simulate":"silence:1@1""#).quiet }
                try await deployment.enqueue(jobs)
                for _ in 0..<3_600 where deployment.gateway.counters.tokens < count {
                    try await Task.sleep(for: .milliseconds(25))
                }
                #expect(deployment.gateway.counters.tokens == count, "all stream")
                #expect(try await first.terminate(timeout: .seconds(30)) == 0)
                #expect(!replies.log.events.contains { $0.isTerminal })
                let second = try await stage.startReadyWorker()
                _ = try await second.log.first("all ended", timeout: .seconds(90)) { event in
                    event.status?.contains(" \(count) completed") == true ? true : nil
                }
                #expect(try await second.terminate() == 0)
                // Confirmed to the worker, they are in the queue; the collector takes what is there.
                for _ in 0..<200 where replies.log.events.count(where: \.isTerminal) < count {
                    try await Task.sleep(for: .milliseconds(50))
                }
                let terminals = replies.log.events.filter(\.isTerminal)
                #expect(terminals.count == count && Set(terminals.compactMap(\.job)).count == count)
                #expect(
                    terminals.allSatisfy {
                        // Handed back once; where two cores are too busy for 2,000 handshakes, a second try may be needed.
                        $0.properties.type == "chat.completion"
                            && (1_000_001..<1_001_000).contains($0.properties.headers.integer("x-attempt") ?? 0)
                    })
                #expect(try await deployment.leftOver().isEmpty)
            }
        }
    }
}
