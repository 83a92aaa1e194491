import AMQP
import Foundation
import GatewaySimulator
import TestSupport
import Testing

extension ProcessTests {
    /// A customer who does not read, and whose queue takes nothing more.
    @Suite(.serialized) struct SlowReader {
        /// Twelve endless answers wait for him. The worker holds no more of them than
        /// `replies.max_answer_bytes` and the mark at which it stops reading allow, others have their answers meanwhile, and
        /// his own jobs end.
        @Test func memoryIsBoundedAndOthersGoOn() async throws {
            let (jobs, bytes) = (12, 64 << 10)
            var settings = Deployment.Settings()
            // Twelve bytes a scalar on the wire, so that few tokens make much text.
            settings.gateway.text = String(repeating: "🎉", count: 64)
            settings.gateway.escape = .all
            settings.gateway.tokens = 1_000_000
            settings.gateway.tokensPerSecond = 250
            settings.gateway.recordsAnswers = false
            try await ProcessStage.run(
                settings,
                configure: { files, _ in
                    files.replies = """
                        high_water_bytes = "16KiB"
                        max_answer_bytes = "\(bytes >> 10)KiB"
                        """
                }
            ) { stage in
                let deployment = stage.deployment
                let worker = try await stage.startReadyWorker()
                let queue = "\(deployment.prefix).reply.deaf"
                try await deployment.declareFullQueue(queue)
                let replies = try await deployment.collector(customers: ["reader"])
                defer { replies.stop() }
                // Warm: what a worker needs in any case.
                try await deployment.enqueue(
                    (1...jobs).map { TestJob("warm-\($0)", customer: "reader", extra: Self.short).quiet })
                for job in 1...jobs { try await replies.terminal(of: "warm-\(job)") }
                let before = try Self.residentBytes(of: worker)

                try await deployment.enqueue((1...jobs).map { TestJob("deaf-\($0)", customer: "deaf") })
                var most = before
                for round in 1...10 {
                    let job = "reader-\(round)"
                    try await deployment.enqueue([TestJob(job, customer: "reader", extra: Self.short).quiet])
                    try await replies.terminal(of: job, timeout: .seconds(10))
                    most = max(most, try Self.residentBytes(of: worker))
                }
                var told = Set<String>()
                for await hook in deployment.receiver.deliveries {
                    #expect(hook.type == "chat.completion.failed", "over replies.max_answer_bytes")
                    told.insert(hook.job ?? "")
                    most = max(most, try Self.residentBytes(of: worker))
                    if told.count == jobs { break }
                }
                // An answer, its last message and its webhook, each once more while it is copied; and what malloc keeps.
                let bound = jobs * bytes * 8 + (24 << 20)
                #expect(most - before < bound, "grew by \((most - before) >> 10) KiB")
                #expect(try await worker.terminate() == 0)
                #expect(try await deployment.leftOver().isEmpty)
            }
        }

        private static let short = #","x_simulate":"tokens:20""#

        private static func residentBytes(of worker: WorkerProcess) throws -> Int {
            let status = try String(contentsOfFile: "/proc/\(worker.process.processID)/status", encoding: .utf8)
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") }
            let kibibytes = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
            guard let kibibytes else { throw TestBroker.Failure(description: "no VmRSS in \(status)") }
            return kibibytes << 10
        }
    }
}
