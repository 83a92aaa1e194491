import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// How systemd, or whoever sends signals, gets on with `chat-worker run`.
    @Suite(.serialized) struct Systemd {
        private static func slowAnswers(tokens: Int, perSecond: Double) -> Deployment.Settings {
            var settings = Deployment.Settings()
            settings.gateway.tokens = tokens
            settings.gateway.tokensPerSecond = perSecond
            settings.gateway.varies = true
            return settings
        }

        @Test func readyOnlyOnceTheBrokerIsThere() async throws {
            try await ProcessStage.run { stage in
                try await stage.broker("stop")
                let worker = try stage.startWorker()
                try await worker.log.wait("several tries") { events in
                    events.count {
                        if case .error(let line) = $0 { line.contains("amqp connection failed") } else { false }
                    }
                        >= 12
                }
                try await worker.untilStatus("a status") { $0.hasPrefix("not consuming") }
                #expect(!worker.log.events.contains { $0.notifies("READY=1") })
                #expect(worker.log.events.contains { $0.notifies("WATCHDOG=1") }, "alive, though not ready")
                try await stage.broker("start")
                try await worker.untilReady()
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                try await stage.deployment.enqueue([TestJob("first")])
                try AnswerCheck(try await replies.terminal(of: "first"))
                    .expectComplete(stage.deployment.gateway.answers(user: "first").first)
                #expect(try await worker.terminate() == 0)
            }
        }

        @Test func statusCountsAndTheWatchdogIsFed() async throws {
            var settings = Self.slowAnswers(tokens: 40, perSecond: 40)
            settings.receiver.failFirst = 1
            try await ProcessStage.run(settings) { stage in
                let worker = try await stage.startReadyWorker()
                try await stage.deployment.enqueue([
                    TestJob("good"), TestJob("bad", extra: #","x_simulate":"cut:7""#),
                    TestJob(raw: Array("{".utf8), properties: .init(isPersistent: true, messageID: "refused")),
                ])
                try await worker.untilStatus("running") { $0.contains(" 1 running") || $0.contains(" 2 running") }
                try await worker.untilStatus("all counted") {
                    $0.contains("consuming; 0 running, 0 waiting; 1 completed, 1 failed, 1 refused")
                        && $0.contains("webhooks 2 delivered, 0 under way")
                }
                let fed = worker.log.events.count { $0.notifies("WATCHDOG=1") }
                #expect(fed >= 5, "every 100 ms")
                let ready = worker.log.events.filter { $0.notifies("READY=1") }
                #expect(ready.count == 1 && ready.first?.status?.hasPrefix("consuming") == true)
                #expect(try await worker.terminate() == 0)
            }
        }

        /// Without `WatchdogSec=` nobody is to be fed.
        @Test func noWatchdogWhereNoneIsAsked() async throws {
            try await ProcessStage.run { stage in
                let worker = try stage.startWorker(watchdog: nil)
                try await worker.untilReady()
                #expect(try await worker.terminate() == 0)
                #expect(!worker.log.events.contains { $0.notifies("WATCHDOG=1") })
            }
        }

        @Test(arguments: [SIGTERM, SIGINT]) func aDrainFinishesTheRunningJob(signal: Int32) async throws {
            try await ProcessStage.run(Self.slowAnswers(tokens: 40, perSecond: 30)) { stage in
                let deployment = stage.deployment
                let worker = try await stage.startReadyWorker()
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                try await deployment.enqueue([TestJob("running")])
                try await replies.log.wait("first chunks") { $0.count >= 3 }
                let before = worker.log.events.count
                worker.process.signal(signal)
                _ = try await worker.log.first("STOPPING", from: before) { $0.notifies("STOPPING=1") ? true : nil }
                #expect(!replies.log.events.contains { $0.isTerminal }, "the job still runs")
                #expect(try await worker.process.exitCode() == 0)
                let all = try await replies.terminal(of: "running")
                try AnswerCheck(all).expectComplete(deployment.gateway.answers(user: "running").first)
                #expect(deployment.gateway.counters.requests == 1)
                let events = worker.log.events.dropFirst(before)
                let extended = events.compactMap { event -> Int? in
                    guard case .notified(let lines) = event, let line = lines.first else { return nil }
                    return line.hasPrefix("EXTEND_TIMEOUT_USEC=") ? Int(line.dropFirst(20)) : nil
                }
                #expect(extended.first ?? 0 >= 20_000_000, "the drain has 20 s")
                #expect(
                    events.drop { !$0.notifies("STOPPING=1") }.contains { $0.notifies("WATCHDOG=1") },
                    "also alive while it drains")
                #expect(try await deployment.leftOver(besides: deployment.names.webhooks).isEmpty)
            }
        }

        @Test func aDrainHandsBackWhatDoesNotFinish() async throws {
            try await ProcessStage.run(
                Self.slowAnswers(tokens: 60, perSecond: 20), configure: { files, _ in files.drainTimeout = "300ms" }
            ) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let first = try await stage.startReadyWorker()
                try await deployment.enqueue([TestJob("handed-back")])
                try await replies.log.wait("first chunks") { $0.count >= 3 }
                #expect(try await first.terminate(timeout: .seconds(10)) == 0)
                #expect(!replies.log.events.contains { $0.isTerminal })
                let second = try await stage.startReadyWorker()
                let all = try await replies.terminal(of: "handed-back")
                let check = AnswerCheck(all)
                try check.expectComplete(deployment.gateway.answers(user: "handed-back").last)
                AnswerCheck.expectContiguous(all)
                #expect(check.resets == 1)
                #expect(all.last?.properties.headers.integer("x-attempt") == 1_000_001)
                #expect(try await second.terminate() == 0)
            }
        }

        /// Nothing told the broker, and nothing is lost: it gives the job to the next one.
        @Test func aKilledWorkersJobIsDoneByTheNext() async throws {
            try await ProcessStage.run(Self.slowAnswers(tokens: 60, perSecond: 30)) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let first = try await stage.startReadyWorker()
                try await deployment.enqueue([TestJob("survivor")])
                try await replies.log.wait("first chunks") { $0.count >= 5 }
                await first.kill()
                #expect(first.exitCode == -SIGKILL)
                let seen = replies.replies(of: "survivor").count
                let second = try await stage.startReadyWorker()
                let all = try await replies.terminal(of: "survivor")
                let check = AnswerCheck(all)
                try check.expectComplete(deployment.gateway.answers(user: "survivor").last)
                AnswerCheck.expectContiguous(all)
                #expect(check.resets == 1)
                let later = all.drop { $0.properties.headers.integer("x-attempt") == 1 }
                #expect(all.count - later.count >= seen)
                #expect(later.first?.properties.type == "chat.completion.reset")
                #expect(later.first?.properties.headers.integer("x-attempt") == 1_001)
                #expect(try await second.terminate() == 0)
                #expect(try await deployment.leftOver(besides: deployment.names.webhooks).isEmpty)
            }
        }

        @Test(arguments: [false, true]) func aStopWithTheBrokerDownIsPrompt(wasReady: Bool) async throws {
            try await ProcessStage.run { stage in
                if !wasReady { try await stage.broker("stop") }
                let worker = try stage.startWorker()
                if wasReady {
                    try await worker.untilReady()
                    try await stage.broker("stop")
                }
                let from = worker.log.events.count
                try await worker.untilStatus("without a broker", from: from) { $0.hasPrefix("not consuming") }
                let started = ContinuousClock.now
                #expect(try await worker.terminate(timeout: .seconds(10)) == 0)
                #expect(ContinuousClock.now - started < .seconds(3))
                #expect(worker.log.events.contains { $0.notifies("STOPPING=1") })
            }
        }
    }
}
