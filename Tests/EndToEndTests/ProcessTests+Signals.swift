import AMQP
import ChatModel
import Foundation
import GatewaySimulator
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// Signals at bad moments.
    @Suite(.serialized, .timeLimit(.minutes(2))) struct Signals {
        /// From its first own instruction on, a SIGHUP asks for a reload: it kills nobody, and it is answered when somebody
        /// listens.
        @Test func aHangupDuringTheStartIsAReload() async throws {
            try await ProcessStage.run { stage in
                // So it cannot be ready: a reload must not say that it is.
                try await stage.broker("stop")
                let worker = try stage.startWorker()
                let deadline = ContinuousClock.now + .seconds(20)
                while try !Self.catchesHangups(worker.process.processID), ContinuousClock.now < deadline {
                    await Task.yield()
                }
                worker.process.signal(SIGHUP)
                #expect(worker.log.events.isEmpty, "it has not even said that it starts")
                _ = try await worker.logLine("configuration reloaded; secrets were read anew")
                // And it hears of further ones.
                let before = worker.log.events.count
                worker.process.signal(SIGHUP)
                try await worker.log.wait("another reload") { events in
                    events.dropFirst(before).contains { event in
                        if case .error(let line) = event { line.contains("configuration reloaded") } else { false }
                    }
                }
                #expect(!worker.log.events.contains { $0.notifies("READY=1") })
                try await stage.broker("start")
                try await worker.untilReady()
                #expect(try await worker.terminate() == 0)
            }
        }

        /// As the kernel has it.
        private static func catchesHangups(_ process: Int32) throws -> Bool {
            let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }
            let mask = line.flatMap { UInt64($0.dropFirst(7).drop { $0 == "\t" || $0 == " " }, radix: 16) } ?? 0
            return mask & 1 << UInt64(SIGHUP - 1) != 0
        }

        /// Whoever says it twice does not want to wait for the drain's time.
        @Test(arguments: [SIGTERM, SIGINT])
        func aSecondOneEndsTheDrain(second: Int32) async throws {
            var settings = Deployment.Settings()
            settings.gateway.tokensPerSecond = 10
            settings.gateway.tokens = 200
            try await ProcessStage.run(settings, configure: { files, _ in files.drainTimeout = "60s" }) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await deployment.enqueue([TestJob("long").quiet])
                try await replies.log.wait("its first chunk") { !$0.isEmpty }
                worker.process.signal(SIGTERM)
                _ = try await worker.logLine("draining")
                #expect(worker.exitCode == nil)
                let asked = ContinuousClock.now
                worker.process.signal(second)
                _ = try await worker.logLine("told to stop once more: the drain ends, what still runs is handed back")
                #expect(try await worker.process.exitCode(timeout: .seconds(20)) == 0)
                #expect(ContinuousClock.now - asked < .seconds(10), "the drain would have taken 20 s")
                // Handed back, and run by the next one.
                let (amqp, jobs) = (deployment.amqp, deployment.names.jobs)
                let waiting = try await onOwnThread {
                    let session = try AMQPSession(configuration: amqp, role: "inspector")
                    defer { session.close() }
                    return try session.inspectQueue(jobs).messageCount
                }
                #expect(waiting == 1)
                _ = try await stage.startReadyWorker()
                #expect(
                    try await replies.terminal(of: "long", timeout: .seconds(60)).last?.properties.type
                        == "chat.completion")
            }
        }
    }
}
