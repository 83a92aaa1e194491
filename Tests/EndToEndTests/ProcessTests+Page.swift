import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// The page for operators, in headless Chromium, and what can be done on it.
    @Suite(.serialized, .timeLimit(.minutes(4))) struct Page {
        private static let token = "a-token-for-the-page-4711"

        @Test func showsWhatRunsAndCancelsIt() async throws {
            let port = try Admin.freePort()
            try await Self.run(port) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme", "globex"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await deployment.enqueue([
                    TestJob("bad", extra: #","x_simulate":"cut:7""#), TestJob("done"),
                    TestJob("slow", customer: "globex", extra: #","x_simulate":"rate:20,tokens:400""#).quiet,
                ])
                for job in ["bad", "done"] { _ = try await replies.terminal(of: job) }
                let top = try await stage.command("top", "--once")
                #expect(top.exitCode == 0, "\(top.all)")
                let row = top.output.split(separator: "\n").first { $0.hasPrefix("slow ") }
                #expect(row?.contains("globex") == true && row?.contains("streaming") == true, "\(top.output)")
                #expect(top.output.contains("1 running, 0 waiting, 1 completed, 1 failed"))
                let pictures = ProcessInfo.processInfo.environment["CHAT_WORKER_TEST_PICTURES"]
                func picture(_ name: String) -> [String: Any] {
                    pictures.map { ["screenshot": "\($0)/\(name).png"] } ?? [:]
                }
                let result = try await Self.browse(
                    port,
                    [
                        ["wait": "document.getElementById('state').textContent === 'consuming'"],
                        ["wait": "document.getElementById('streams').innerText.includes('slow')"],
                        ["wait": "document.getElementById('failures').innerText.includes('bad')"],
                        ["wait": "document.getElementById('queues').innerText.includes('dead')"],
                        ["eval": "document.querySelector('#streams button').disabled"],
                        ["eval": "document.getElementById('dead-load').click()"],
                        ["wait": "document.getElementById('dead').innerText.length > 0"],
                        ["eval": "new Promise(done => setTimeout(done, 6000))"],
                        ["eval": "document.querySelectorAll('svg path').length"],
                        picture("page-light"), ["dark": true], picture("page-dark"),
                        ["size": [400, 1400]], picture("page-small"),
                        ["eval": "document.documentElement.scrollWidth <= innerWidth"],
                        // The wrong token, then the right one.
                        [
                            "eval":
                                "token.value = 'wrong'; token.oninput(); [...document.querySelectorAll('#streams button')].at(-1).click()"
                        ],
                        ["wait": "document.getElementById('notice').textContent.includes('401')"],
                        [
                            "eval":
                                "token.value = '\(Self.token)'; [...document.querySelectorAll('#streams button')].at(-1).click()"
                        ],
                        ["wait": "document.getElementById('notice').textContent.includes('is written')"],
                    ])
                let values = try #require(result["values"]?.arrayValue)
                #expect(values[0] == .bool(true), "no token, no cancel")
                #expect(values[3] == .number("7"), "four plots with one or two lines each")
                #expect(values[4] == .bool(true), "a small screen does not scroll sideways")
                let errors = result["errors"]?.arrayValue?.compactMap(\.stringValue) ?? []
                #expect(errors.filter { !$0.contains("401") }.isEmpty, "\(errors)")
                let end = try await replies.terminal(of: "slow")
                #expect(end.last?.properties.type == "error", "the click has cancelled it")
                #expect(try await worker.terminate() == 0)
            }
        }

        @Test func changesNothingWithoutTheToken() async throws {
            let port = try Admin.freePort()
            try await Self.run(port) { stage in
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await stage.deployment.enqueue([TestJob("bad", model: "no-such-model")])
                _ = try await replies.terminal(of: "bad")
                let list = try await Admin.wait(port, "/dead") { $0.body.contains(#""id":"bad""#) }
                #expect(list.status == 200)
                #expect(try await Self.status(port, "/dead", header: "Sec-Fetch-Site: cross-site") == 403)
                #expect(try await Self.status(port, "/status", header: "Sec-Fetch-Site: same-site") == 403)
                #expect(try await Self.status(port, "/status", header: "Sec-Fetch-Site: same-origin") == 200)
                #expect(try await Self.status(port, "/", header: "Sec-Fetch-Site: cross-site") == 200, "a link")
                let cancel = #"{"job":"bad","customer":"acme"}"#
                #expect(try await Self.post(port, "/jobs/cancel", cancel, token: nil) == 401)
                #expect(try await Self.post(port, "/dead/replay", #"{"ids":["bad"]}"#, token: Self.token + "x") == 401)
                #expect(try await Self.post(port, "/jobs/cancel", #"{"job":"a b"}"#, token: Self.token) == 400)
                #expect(try await Self.post(port, "/dead/replay", #"{"ids":[]}"#, token: Self.token) == 400)
                #expect(try await Self.post(port, "/dead/replay", "{", token: Self.token) == 400)
                #expect(try await Self.post(port, "/jobs/cancel", cancel, token: Self.token) == 202)
                #expect(try await Self.post(port, "/dead/replay", #"{"ids":["bad"]}"#, token: Self.token) == 200)
                // It runs again, and fails again.
                try await replies.log.wait("its second end") { events in
                    events.count { $0.job == "bad" && $0.isTerminal } == 2
                }
                #expect(try await worker.terminate() == 0)
                let said = try worker.logLines().map { "\($0)" }.joined()
                #expect(said.contains("a dead letter was replayed by the admin server"))
                #expect(!said.contains(Self.token))
            }
        }

        /// The server's own task that stops it may come late: its event loop has to be there.
        @Test func aStopAsksNoEventLoopThatIsGone() async throws {
            let port = try Admin.freePort()
            try await Self.run(port) { stage in
                for _ in 0..<10 {
                    let worker = try await stage.startReadyWorker()
                    for path in ["/status", "/dead", "/queues", "/"] { _ = try await Admin.get(port, path) }
                    #expect(try await worker.terminate() == 0)
                    _ = try worker.logLines()
                }
            }
        }

        /// Listeners are few, and none keeps the worker from its end.
        @Test func eventsEndWithTheWorker() async throws {
            let port = try Admin.freePort()
            try await Self.run(port) { stage in
                let worker = try await stage.startReadyWorker()
                let listeners = try (0..<17).map { _ in
                    try ChildProcess([
                        "/usr/bin/env", "curl", "--silent", "--no-buffer", "http://127.0.0.1:\(port)/events",
                    ])
                }
                defer { for listener in listeners { listener.signal(SIGKILL) } }
                func counts() -> (listening: Int, refused: Int) {
                    (
                        listeners.count { $0.output.contains { $0.hasPrefix("data: {") } },
                        listeners.count { $0.output.contains { $0.contains("listen already") } }
                    )
                }
                for _ in 0..<100 where counts() != (16, 1) { try await Task.sleep(for: .milliseconds(100)) }
                #expect(counts() == (16, 1))
                #expect(try await worker.terminate() == 0)
                for listener in listeners { _ = try await listener.exitCode(timeout: .seconds(5)) }
            }
        }

        // MARK: -

        private static func run(_ port: Int, _ body: (ProcessStage) async throws -> Void) async throws {
            let file = NSTemporaryDirectory() + "token-\(UUID().uuidString.prefix(8))"
            try Data((token + "\n").utf8).write(to: URL(filePath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            defer { try? FileManager.default.removeItem(atPath: file) }
            try await ProcessStage.run(
                configure: { files, _ in
                    files.adminListen = "127.0.0.1:\(port)"
                    files.admin = "token_file = \"\(file)\""
                }, body)
        }

        private static func browse(_ port: Int, _ steps: [[String: Any]]) async throws -> JSONValue {
            let script = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Page/browse.py").path
            let lines = try steps.filter { !$0.isEmpty }.map {
                String(decoding: try JSONSerialization.data(withJSONObject: $0), as: UTF8.self)
            }
            let file = NSTemporaryDirectory() + "steps-\(UUID().uuidString.prefix(8))"
            try Data(lines.joined(separator: "\n").utf8).write(to: URL(filePath: file))
            defer { try? FileManager.default.removeItem(atPath: file) }
            let process = try ChildProcess(
                ["/bin/sh", "-c", "exec python3 \"$0\" \"$1\" < \"$2\"", script, "http://127.0.0.1:\(port)/", file],
                environment: [
                    "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "HOME": NSTemporaryDirectory(),
                ])
            let code = try await process.exitCode(timeout: .seconds(120))
            try #require(code == 0, "\(process.errors)")
            return try JSONValue(parsing: Array(process.output.joined().utf8))
        }

        private static func status(_ port: Int, _ path: String, header: String) async throws -> Int {
            let process = try ChildProcess([
                "/usr/bin/env", "curl", "--silent", "--max-time", "20", "--header", header, "--output", "/dev/null",
                "--write-out", "%{http_code}\n", "http://127.0.0.1:\(port)\(path)",
            ])
            _ = try await process.exitCode(timeout: .seconds(30))
            return try #require(process.output.first.flatMap { Int($0) })
        }

        private static func post(_ port: Int, _ path: String, _ body: String, token: String?) async throws -> Int {
            var command = [
                "/usr/bin/env", "curl", "--silent", "--max-time", "20", "--data", body, "--output", "/dev/null",
                "--write-out", "%{http_code}\n",
            ]
            if let token { command += ["--header", "Authorization: Bearer \(token)"] }
            let process = try ChildProcess(command + ["http://127.0.0.1:\(port)\(path)"])
            _ = try await process.exitCode(timeout: .seconds(30))
            return try #require(process.output.first.flatMap { Int($0) })
        }
    }
}
