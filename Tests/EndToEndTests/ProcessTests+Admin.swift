import ChatModel
import Foundation
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// What an operator asks of a running worker over HTTP.
    @Suite(.serialized, .timeLimit(.minutes(2))) struct Admin {
        @Test func healthMetricsAndState() async throws {
            let port = try Self.freePort()
            var settings = Deployment.Settings()
            settings.apiKey = "sk-canary-key-4711"
            try await ProcessStage.run(settings, configure: { files, _ in files.adminListen = "127.0.0.1:\(port)" }) {
                stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                #expect(try await Self.get(port, "/live").status == 200)
                #expect(try await Self.get(port, "/ready").status == 200)
                #expect(try await Self.get(port, "/nothing").status == 404)
                #expect(try await Self.get(port, "/status", host: "evil.example").status == 421, "DNS rebinding")
                #expect(try await Self.get(port, "/nothing", host: "evil.example").status == 421)

                try await deployment.enqueue([
                    TestJob("good", extra: #","note":"canary-prompt-4711""#),
                    TestJob("bad", extra: #","x_simulate":"cut:7""#),
                ])
                for job in ["good", "bad"] { _ = try await replies.terminal(of: job) }
                let metrics = try await Self.waitForMetrics(port) {
                    $0.contains("chat_worker_jobs_total{outcome=\"completed\"} 1\n")
                        && $0.contains("chat_worker_jobs_total{outcome=\"failed\"} 1\n")
                }
                #expect(metrics.contains("gen_ai_client_operation_time_to_first_chunk_seconds_count 2\n"))
                #expect(metrics.contains("chat_worker_tokens_total{gateway=\"main\","))
                #expect(metrics.contains("gen_ai_client_token_usage_count{gen_ai_token_type=\"output\"} 2\n"))
                #expect(metrics.contains("chat_worker_job_retries_total 0\n"))
                #expect(metrics.contains("chat_worker_ready 1\n"))
                let status = try JSONValue(parsing: Array(try await Self.get(port, "/status").body.utf8))
                #expect(status["state"]?.stringValue == "consuming")
                #expect(status["jobs"]?["completed"]?.integerValue == 1)
                let failures = try #require(status["failures"]?.arrayValue)
                #expect(failures.map { $0["job"]?.stringValue } == ["bad"])
                #expect(status["broker"]?["publishers"]?.arrayValue?.first?["window"]?.integerValue ?? 0 > 0)
                for output in [metrics, String(decoding: status.serialized(), as: UTF8.self)] {
                    #expect(!output.contains("4711"), "neither prompt nor key")
                }
                #expect(!metrics.contains("acme"), "no customer is a label")

                try await stage.broker("stop")
                let unready = try await Self.wait(port, "/ready") { $0.status == 503 }
                #expect(unready.body.contains("not connected to the broker"))
                #expect(try await Self.get(port, "/live").status == 200)
                try await stage.broker("start")
                _ = try await Self.wait(port, "/ready") { $0.status == 200 }
                #expect(try await worker.terminate() == 0)
            }
        }

        /// The second worker of a machine finds the port taken, and has the next one.
        @Test func workersOfOneMachineStandNextToEachOther() async throws {
            let port = try Self.freePort()
            try await ProcessStage.run(configure: { files, _ in files.adminListen = "127.0.0.1:\(port)" }) { stage in
                let first = try await stage.startReadyWorker()
                let second = try await stage.startReadyWorker()
                func place(of worker: WorkerProcess) async throws -> String? {
                    try await worker.logLine("the admin server listens")["admin.listen"]?.stringValue
                }
                #expect(try await place(of: first) == "127.0.0.1:\(port)")
                let other = try #require(try await place(of: second)?.split(separator: ":").last.flatMap { Int($0) })
                #expect(other > port)
                for port in [port, other] { #expect(try await Self.get(port, "/ready").status == 200) }
                #expect(try await second.terminate() == 0)
                #expect(try await first.terminate() == 0)
            }
        }

        @Test func aSocketThatCannotBeMadeStopsNobody() async throws {
            try await ProcessStage.run(configure: { files, _ in files.adminListen = "unix:/proc/none/admin.sock" }) {
                stage in
                let worker = try await stage.startReadyWorker()
                _ = try await worker.logLine("the admin server cannot listen; the worker works without it")
                #expect(try await worker.terminate() == 0)
            }
        }

        @Test func aDrainingWorkerIsNotReady() async throws {
            let port = try Self.freePort()
            try await ProcessStage.run(configure: { files, _ in files.adminListen = "127.0.0.1:\(port)" }) { stage in
                let worker = try await stage.startReadyWorker()
                try await stage.deployment.enqueue([TestJob("slow", extra: #","x_simulate":"rate:20,tokens:80""#)])
                _ = try await Self.wait(port, "/status") { $0.body.contains(#""state":"streaming""#) }
                worker.process.signal(SIGTERM)
                let draining = try await Self.wait(port, "/ready") { $0.status == 503 }
                #expect(draining.body.contains(#""draining""#))
                #expect(try await Self.get(port, "/live").status == 200)
                #expect(try await worker.process.exitCode(timeout: .seconds(30)) == 0)
            }
        }

        // MARK: - A client

        struct Answer: Sendable {
            var status: Int
            var body: String
        }

        static func get(_ port: Int, _ path: String, host: String = "127.0.0.1") async throws -> Answer {
            let process = try ChildProcess([
                "/usr/bin/env", "curl", "--silent", "--max-time", "10", "--header", "Host: \(host)", "--write-out",
                "\n%{http_code}", "http://127.0.0.1:\(port)\(path)",
            ])
            _ = try await process.exitCode(timeout: .seconds(20))
            let lines = Array(process.output)
            let status = try #require(lines.last.flatMap { Int($0) }, "\(lines)")
            return Answer(status: status, body: lines.dropLast().joined(separator: "\n") + "\n")
        }

        static func wait(_ port: Int, _ path: String, until isGood: (Answer) -> Bool) async throws -> Answer {
            for _ in 0..<300 {
                let answer = try await get(port, path)
                if isGood(answer) { return answer }
                try await Task.sleep(for: .milliseconds(100))
            }
            return try await get(port, path)
        }

        static func waitForMetrics(_ port: Int, until isGood: (String) -> Bool) async throws -> String {
            try await wait(port, "/metrics") { isGood($0.body) }.body
        }

        static func freePort() throws -> Int {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = inet_addr("127.0.0.1")
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let code = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(descriptor, $0, length) + getsockname(descriptor, $0, &length)
                }
            }
            try #require(code == 0)
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }
}
