import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// What stands in `docs/monitoring`, with Prometheus itself.
    @Suite(.serialized, .timeLimit(.minutes(3))) struct Monitoring {
        private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../docs/monitoring").standardized.path

        @Test func prometheusScrapesAWorker() async throws {
            let (port, prometheusPort) = (try Admin.freePort(), try Admin.freePort())
            try await ProcessStage.run(configure: { files, _ in files.adminListen = "127.0.0.1:\(port)" }) { stage in
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await stage.deployment.enqueue([TestJob("good"), TestJob("bad", extra: #","x_simulate":"cut:7""#)])
                for job in ["good", "bad"] { _ = try await replies.terminal(of: job) }
                let metrics = try await Admin.waitForMetrics(port) {
                    $0.contains(#"chat_worker_jobs_total{outcome="failed"} 1"#)
                        && $0.contains(#"chat_worker_webhook_tries_total{outcome="delivered"} 2"#)
                }

                let data = NSTemporaryDirectory() + "prometheus-\(UUID().uuidString.prefix(8))"
                try FileManager.default.createDirectory(atPath: data, withIntermediateDirectories: true)
                defer { try? FileManager.default.removeItem(atPath: data) }
                let shipped = try String(contentsOfFile: "\(Self.folder)/prometheus.yml", encoding: .utf8)
                let configuration = shipped.replacing("127.0.0.1:9464", with: "127.0.0.1:\(port)")
                    .replacing("scrape_interval: 15s", with: "scrape_interval: 1s")
                    .replacing("alerts.yml", with: "\(Self.folder)/alerts.yml")
                try Data(configuration.utf8).write(to: URL(filePath: "\(data)/prometheus.yml"))
                let prometheus = try ChildProcess([
                    "/usr/bin/env", "prometheus", "--config.file=\(data)/prometheus.yml",
                    "--storage.tsdb.path=\(data)/data",
                    "--web.listen-address=127.0.0.1:\(prometheusPort)",
                ])
                defer { prometheus.signal(SIGKILL) }
                let query = "/api/v1/query?query=chat_worker_jobs_total"
                let answer = try await Admin.wait(prometheusPort, query) { $0.body.contains(#""outcome":"failed""#) }
                #expect(answer.body.contains(#""job":"chat-worker""#), "\(prometheus.errors)")
                let targets = try await Admin.get(prometheusPort, "/api/v1/targets").body
                #expect(targets.contains(#""health":"up""#))
                // Every name in rules and dashboard is one that the worker has.
                let known = Set(
                    metrics.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map {
                        $0.split(separator: " ")[2]
                    })
                for file in ["alerts.yml", "dashboard.json"] {
                    let text = try String(contentsOfFile: "\(Self.folder)/\(file)", encoding: .utf8)
                    let used = text.matches(of: /\b(chat_worker|gen_ai_client|messaging_client|process)_[a-z_]+\b/).map(
                        \.0)
                    #expect(used.count > 10)
                    for name in Set(used) {
                        let family = ["_bucket", "_sum", "_count"].reduce(name) { name, end in
                            name.hasSuffix(end) ? name.dropLast(end.count) : name
                        }
                        #expect(known.contains(family), "\(file) names \(name)")
                    }
                }
                #expect(try await Self.promtool("check", "metrics", input: metrics) == [])
                #expect(try await worker.terminate() == 0)
            }
        }

        @Test func theRulesDoWhatTheySay() async throws {
            for command in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts.test.yml"]] {
                let process = try ChildProcess(
                    ["/bin/sh", "-c", "cd \(Self.folder) && exec promtool \(command.joined(separator: " "))"],
                    environment: ["PATH": "/usr/bin:/bin"])
                #expect(try await process.exitCode(timeout: .seconds(30)) == 0, "\(process.output) \(process.errors)")
            }
            let dashboard = try Data(contentsOf: URL(filePath: "\(Self.folder)/dashboard.json"))
            let panels = (try JSONSerialization.jsonObject(with: dashboard) as? [String: Any])?["panels"] as? [Any]
            #expect(panels?.count ?? 0 > 10)
        }

        /// - Returns: what it complains of.
        private static func promtool(_ arguments: String..., input: String) async throws -> [String] {
            let file = NSTemporaryDirectory() + "metrics-\(UUID().uuidString.prefix(8))"
            try Data(input.utf8).write(to: URL(filePath: file))
            defer { try? FileManager.default.removeItem(atPath: file) }
            let process = try ChildProcess(
                ["/bin/sh", "-c", "exec promtool \(arguments.joined(separator: " ")) < \(file)"],
                environment: ["PATH": "/usr/bin:/bin"])
            let code = try await process.exitCode(timeout: .seconds(30))
            return code == 0 ? [] : process.errors + process.output
        }
    }
}
