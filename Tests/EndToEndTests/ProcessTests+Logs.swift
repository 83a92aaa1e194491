import ChatModel
import Foundation
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// Levels by part, and the steps of sampled jobs.
    @Suite(.serialized, .timeLimit(.minutes(2))) struct Logs {
        @Test func eachPartHasItsLevel() async throws {
            try await ProcessStage.run(
                configure: { files, _ in
                    files.worker = """
                        debug_sample = 1
                        [worker.log_levels]
                        jobs = "warning"
                        webhooks = "error"
                        """
                }
            ) { stage in
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await stage.deployment.enqueue([TestJob("sampled", extra: #","note":"canary-prompt-4711""#)])
                _ = try await replies.terminal(of: "sampled")
                for await hook in stage.deployment.receiver.deliveries where hook.job == "sampled" { break }
                try stage.files.replace([
                    "debug_sample = 1": "debug_sample = 0", "jobs = \"warning\"": "jobs = \"info\"",
                ])
                worker.process.signal(SIGHUP)
                try await worker.log.wait("the reload") { events in
                    events.contains {
                        if case .error(let line) = $0 { line.contains("configuration reloaded") } else { false }
                    }
                }
                try await stage.deployment.enqueue([TestJob("plain")])
                _ = try await replies.terminal(of: "plain")
                #expect(try await worker.terminate() == 0)
                let lines = try worker.logLines()
                func messages(of job: String) -> [String] {
                    lines.filter { $0["job.id"]?.stringValue == job && $0["logger"]?.stringValue == "chat-worker.jobs" }
                        .compactMap { $0["message"]?.stringValue }
                }
                #expect(
                    messages(of: "sampled") == [
                        "taken", "asks", "request sent", "first output", "answer ended", "its end is confirmed",
                    ], "its line at info is below the level of its part")
                #expect(messages(of: "plain") == ["job completed"])
                #expect(!lines.contains { $0["message"]?.stringValue == "webhook delivered" })
                #expect(!worker.everythingSaid.contains("4711"))
            }
        }

        /// journald hangs, or whoever reads the pipe has stopped: jobs run, operators get answers, and a stop is a stop.
        @Test func aLogThatNobodyReadsStopsNothing() async throws {
            let port = try Admin.freePort()
            try await ProcessStage.run(
                configure: { files, _ in
                    files.worker = "debug_sample = 1"
                    files.adminListen = "127.0.0.1:\(port)"
                }
            ) { stage in
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                // A pipe that is held open and never read; 64 KiB are a few dozen jobs.
                let pipe = "\(stage.files.folder)/log"
                try #require(mkfifo(pipe, 0o600) == 0)
                let worker = try stage.startWorker(
                    launcher: ["/bin/bash", "-c", "exec 2<>\"$0\"; exec \"$@\"", pipe])
                try await worker.untilReady()
                let jobs = (0..<300).map { TestJob("unread-\($0)").quiet }
                try await stage.deployment.enqueue(jobs)
                try await replies.log.wait("all ends", timeout: .seconds(60)) { replies in
                    replies.count { $0.isTerminal } == jobs.count
                }
                for path in ["/live", "/status", "/metrics"] {
                    #expect(try await Admin.get(port, path).status == 200)
                }
                #expect(try await worker.terminate() == 0)
                #expect(try await stage.deployment.leftOver().isEmpty)
            }
        }
    }
}
