import AMQP
import ChatModel
import TestSupport
import Testing

extension ProcessTests {
    /// An alarm of the broker: a worker that cannot publish is not ready, whether or not it has tried.
    @Suite(.serialized, .timeLimit(.minutes(3))) struct Alarm {
        @Test(arguments: ["", "publishers = 3"])
        func anIdleWorkerIsNotReadyDuringAnAlarm(lines: String) async throws {
            let port = try Admin.freePort()
            try await ProcessStage.run(
                configure: { files, _ in
                    files.adminListen = "127.0.0.1:\(port)"
                    files.broker = lines
                }
            ) { stage in
                let broker = stage.deployment.broker
                let worker = try await stage.startReadyWorker()
                #expect(try await Admin.get(port, "/ready").status == 200)
                try await onOwnThread { _ = try broker.control("set_vm_memory_high_watermark", "0.000001") }
                let unready = try await Admin.wait(port, "/ready") { $0.status == 503 }
                #expect(unready.status == 503)
                #expect(
                    unready.body.contains("the broker's alarm holds publishing back: low on memory"), "\(unready.body)")
                let status = try JSONValue(parsing: Array(try await Admin.get(port, "/status").body.utf8))
                #expect(status["state"]?.stringValue == "blocked")
                // Nothing was published but the marks of the start: the broker has no message that nobody could route.
                let counters = try await onOwnThread {
                    try broker.control(
                        "eval", "maps:get(messages_unroutable_dropped_total, rabbit_global_counters:overview(), none).")
                }
                #expect(!counters.isEmpty)
                try await onOwnThread { _ = try broker.control("set_vm_memory_high_watermark", "0.4") }
                #expect(try await Admin.wait(port, "/ready") { $0.status == 200 }.status == 200)
                #expect(try await worker.terminate() == 0)
            }
        }

        /// A worker that starts during the alarm says so, and gets ready when it is over.
        @Test func aWorkerThatStartsDuringAnAlarmWaits() async throws {
            let port = try Admin.freePort()
            try await ProcessStage.run(configure: { files, _ in files.adminListen = "127.0.0.1:\(port)" }) { stage in
                let broker = stage.deployment.broker
                #expect(try await stage.command("topology", "--declare").exitCode == 0)
                try await onOwnThread { _ = try broker.control("set_vm_memory_high_watermark", "0.000001") }
                let worker = try stage.startWorker()
                let unready = try await Admin.wait(port, "/ready") { $0.body.contains("holds publishing back") }
                #expect(unready.status == 503)
                #expect(unready.body.contains("holds publishing back"), "\(unready.body)")
                try await onOwnThread { _ = try broker.control("set_vm_memory_high_watermark", "0.4") }
                try await worker.untilReady()
                #expect(try await worker.terminate() == 0)
            }
        }
    }
}
