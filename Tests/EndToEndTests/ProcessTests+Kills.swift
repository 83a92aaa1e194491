import AMQP
import ChatModel
import Foundation
import GatewaySimulator
import Synchronization
import TestSupport
import Testing

extension ProcessTests {
    /// A worker that is killed again and again, with all that it runs and holds: what merely ran there is not held up.
    @Suite(.serialized, .timeLimit(.minutes(8))) struct Kills {
        private static let jobs = 2_200
        private static let concurrency = 200

        /// What one run came to.
        private struct Run {
            var time: Duration
            /// Deaths of workers that nobody killed.
            var ownDeaths: Int
            var ends: [String: String]

            var incomplete: [String] { ends.filter { $0.value != "chat.completion" }.map(\.key) }
        }

        /// How much longer killed jobs may take. Beside another group of tests (`scripts/test`) the machine is not this one's
        /// alone, in one run more than in the next.
        private static let factor =
            ["test", nil].contains(ProcessInfo.processInfo.environment["CHAT_WORKER_TEST_LANE"]) ? 2 : 3

        /// The same 200 running and 2,000 held jobs three times: without kills, with three of them one upon the other, and with
        /// a job among them besides that kills every worker which runs it. Killed, they may take twice the time.
        @Test func threeKillsAndAPoisonJobCostNoMoreThanTheTimeAgain() async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokens = 1
            // Long enough that the time goes by with waiting, also where the machine has little to spare.
            settings.gateway.firstTokenDelay = .seconds(4)
            try await ProcessStage.run(settings, configure: { files, _ in files.concurrency = Self.concurrency }) {
                stage in
                try stage.files.replace(["concurrency = 200": "concurrency = 200\nprefetch_factor = 11"])
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                // Declares the topology.
                try await stage.startReadyWorker().kill()
                let quiet = try await Self.run("quiet", kills: 0, stage, replies)
                #expect(quiet.ownDeaths == 0)
                #expect(quiet.incomplete.isEmpty)
                let killed = try await Self.run("killed", kills: 3, stage, replies)
                #expect(killed.ownDeaths == 0)
                #expect(killed.incomplete.isEmpty)
                #expect(killed.time < quiet.time * Self.factor, "\(killed.time), without kills \(quiet.time)")
                let poisoned = try await Self.run("poisoned", kills: 3, poison: 100, stage, replies)
                #expect(poisoned.time < quiet.time * Self.factor, "\(poisoned.time), without kills \(quiet.time)")
                #expect(poisoned.incomplete == ["poison-1"])
                // One of a crowd, one of a group, alone; the first may be too early for the journal.
                #expect((3...4).contains(poisoned.ownDeaths), "\(poisoned.ownDeaths) workers died")
                let poison = try await replies.terminal(of: "poison-1")
                #expect(AnswerCheck(poison).failure?["error"]?["code"]?.stringValue == "delivery_limit")
                let hook = try await MainJobTests.firstWebhook(stage.deployment)
                #expect(hook.type == "chat.completion.failed" && hook.job == "poison-1")
                let dead = try await stage.deployment.takeAll(stage.deployment.names.dead, atLeast: 1)
                #expect(dead.map { $0.properties.messageID } == ["poison-1"])
            }
        }

        private static func run(
            _ name: String, kills: Int, poison: Int? = nil, _ stage: ProcessStage, _ replies: ReplyCollector
        ) async throws -> Run {
            let deployment = stage.deployment
            var jobs = (0..<Self.jobs).map { TestJob("\(name)-\($0)").quiet }
            if let poison { jobs.insert(TestJob("poison-1"), at: poison) }
            try await deployment.enqueue(jobs)
            let clock = ContinuousClock()
            let start = clock.now
            let supervisor = Supervisor()
            async let deaths = supervisor.run(stage)
            var asked = deployment.gateway.counters.requests
            for number in 0..<kills {
                asked += number == 0 ? Self.concurrency : Self.concurrency / 2
                try await deployment.gateway.waitUntilRequested(asked)
                await supervisor.killWorker()
                asked = deployment.gateway.counters.requests
            }
            if kills > 0 { #expect(clock.now - start < .seconds(20), "the kills come one upon the other") }
            let ends = try await Self.ends(Set(jobs.map(\.id)), replies)
            let time = clock.now - start
            supervisor.stop()
            await supervisor.killWorker()
            // The last one was ended here, too.
            return Run(time: time, ownDeaths: try await deaths - kills - 1, ends: ends)
        }

        /// Starts a worker again whenever it has died.
        private final class Supervisor: Sendable {
            private let isOver = Atomic<Bool>(false)
            private let current = Mutex<WorkerProcess?>(nil)

            /// Until `stop`; how often a worker has died.
            func run(_ stage: ProcessStage) async throws -> Int {
                var deaths = 0
                while !isOver.load(ordering: .relaxed) {
                    let worker = try stage.startWorker(environment: ["CHAT_WORKER_FAILPOINT": "poison"])
                    current.withLock { $0 = worker }
                    _ = try await worker.process.exitCode(timeout: .seconds(200))
                    deaths += 1
                }
                return deaths
            }

            func stop() { isOver.store(true, ordering: .relaxed) }

            func killWorker() async { await current.withLock { $0 }?.kill() }
        }

        /// The type of each job's last reply, when all have ended.
        private static func ends(_ jobs: Set<String>, _ replies: ReplyCollector) async throws -> [String: String] {
            let seen = Seen(jobs)
            try await replies.log.wait("all ends", timeout: .seconds(140)) { events in
                seen.read(events) >= jobs.count
            }
            return seen.ends
        }

        /// Looks at each reply once.
        private final class Seen: Sendable {
            private let jobs: Set<String>
            private let state = Mutex<(read: Int, ends: [String: String])>((0, [:]))

            init(_ jobs: Set<String>) { self.jobs = jobs }

            var ends: [String: String] { state.withLock { $0.ends } }

            func read(_ events: [Delivery]) -> Int {
                state.withLock { state in
                    for event in events.dropFirst(state.read) where event.isTerminal {
                        if let job = event.job, jobs.contains(job) { state.ends[job] = event.properties.type }
                    }
                    state.read = events.count
                    return state.ends.count
                }
            }
        }
    }
}
