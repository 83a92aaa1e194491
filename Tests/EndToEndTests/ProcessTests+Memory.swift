import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// What "Size it" in `docs/OPERATIONS.md` says of memory.
    @Suite(.serialized, .timeLimit(.minutes(2))) struct Memory {
        /// Bodies that wait are held once, up to the limit, and operators see how many.
        @Test func jobsThatWaitCostTheirBodies() async throws {
            let port = try Admin.freePort()
            let limit = 64 << 20
            try await ProcessStage.run(
                configure: { files, _ in
                    files.concurrency = 2
                    files.jobs = "prefetch_factor = 100\nmax_held_bytes = \"64MiB\""
                    files.adminListen = "127.0.0.1:\(port)"
                }
            ) { stage in
                let worker = try await stage.startReadyWorker()
                let before = try Self.residentBytes(worker)
                let text = String(repeating: "x", count: 900_000)
                let slow = #","x_simulate":"rate:1,tokens:4000","note":"\#(text)""#
                try await stage.deployment.enqueue((0..<100).map { TestJob("large-\($0)", extra: slow).quiet })
                let metrics = try await Admin.waitForMetrics(port) {
                    Self.value("chat_worker_messages_without_room", $0) > 0
                }
                let held = Self.value("chat_worker_held_body_bytes", metrics)
                #expect(held > limit - 1_000_000 && held <= limit, "\(held)")
                #expect(Self.value("chat_worker_held_body_limit_bytes", metrics) == limit)
                let status = try JSONValue(parsing: Array(try await Admin.get(port, "/status").body.utf8))
                #expect(status["held"]?["bytes"]?.integerValue == held)
                let used = try Self.residentBytes(worker) - before
                // Two jobs run, which hold their requests besides; the rest is for what is on its way.
                #expect(used < limit + 24_000_000, "\(used) for \(held)")
            }
        }

        private static func residentBytes(_ worker: WorkerProcess) throws -> Int {
            let status = try String(contentsOfFile: "/proc/\(worker.process.processID)/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") })
            return try #require(Int(line.filter(\.isNumber))) * 1_024
        }

        private static func value(_ name: String, _ metrics: String) -> Int {
            let line = metrics.split(separator: "\n").first { $0.hasPrefix("\(name) ") }
            return line.flatMap { Int($0.dropFirst(name.utf8.count + 1)) } ?? -1
        }
    }
}
