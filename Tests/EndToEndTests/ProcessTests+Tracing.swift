import ChatModel
import Foundation
import TestSupport
import Testing

extension ProcessTests {
    /// What a collector of OpenTelemetry's is told.
    @Suite(.serialized, .timeLimit(.minutes(2))) struct Spans {
        @Test func oneJobIsOneTrace() async throws {
            let collector = try await Collector()
            var settings = Deployment.Settings()
            settings.apiKey = "sk-canary-key-4711"
            let headers = "Authorization: Bearer canary-4711"
            try await ProcessStage.run(
                settings,
                configure: { files, _ in
                    let file = NSTemporaryDirectory() + "otlp-\(UUID().uuidString.prefix(8))"
                    try Data((headers + "\n").utf8).write(to: URL(filePath: file))
                    try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
                    files.more = """
                        [tracing]
                        endpoint = "\(collector.url)"
                        headers_file = "\(file)"

                        [retry]
                        retries = 1
                        """
                }
            ) { stage in
                let deployment = stage.deployment
                let replies = try await deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                var good = TestJob("good", extra: #","note":"canary-prompt-4711""#)
                let trace = "0af7651916cd43dd8448eb211c80319c"
                good.properties.headers["traceparent"] = .string("00-\(trace)-b7ad6b7169203331-01")
                good.properties.headers["tracestate"] = .string("vendor=1")
                var silent = TestJob("silent")
                silent.properties.headers["traceparent"] = .string(
                    "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00")
                try await deployment.enqueue([good, silent, TestJob("bad", extra: #","x_simulate":"cut:7""#)])
                for job in ["good", "silent", "bad"] { _ = try await replies.terminal(of: job) }
                for await hook in deployment.receiver.deliveries where hook.job == "good" {
                    #expect(hook.header("traceparent")?.hasPrefix("00-\(trace)-") == true)
                    #expect(hook.header("tracestate") == "vendor=1")
                    break
                }
                // What is left is sent before the worker ends.
                #expect(try await worker.terminate() == 0)

                let exports = collector.process.output.dropFirst()
                #expect(!exports.isEmpty)
                #expect(exports.allSatisfy { $0.hasPrefix("application/json Bearer canary-4711 ") })
                let bodies = exports.map { $0.split(separator: " ", maxSplits: 3)[3] }
                #expect(!bodies.contains { $0.contains("4711") }, "neither prompt nor key")
                let spans = try bodies.flatMap { try Self.spans(of: JSONValue(parsing: Array($0.utf8))) }
                #expect(
                    !spans.contains { $0.trace == "1af7651916cd43dd8448eb211c80319c" }, "its backend does not record it"
                )

                let process = try #require(spans.first { $0.job == "good" && $0.kind == 5 })
                #expect(process.trace == trace)
                #expect(process.parent == "b7ad6b7169203331")
                #expect(process.name.hasPrefix("process "))
                #expect(process.state == "vendor=1")
                #expect(process.attributes["chat_worker.outcome"] == "completed")
                let request = try #require(spans.first { $0.parent == process.id && $0.name.hasPrefix("chat ") })
                #expect(request.kind == 3)
                #expect(request.attributes["gen_ai.request.model"] == Deployment.models[0])
                #expect(Int(request.attributes["gen_ai.usage.output_tokens"] ?? "") ?? 0 > 0)
                #expect(request.start >= process.start && request.end <= process.end)
                let hook = try #require(spans.first { $0.parent == process.id && $0.name == "POST webhook" })
                #expect(
                    hook.attributes["http.response.status_code"] == "200"
                        || hook.attributes["http.response.status_code"] == "204")
                let reply = try #require(replies.replies(of: "good").first)
                #expect(reply.properties.headers.string("traceparent") == "00-\(trace)-\(process.id)-01")

                let failed = try #require(spans.first { $0.job == "bad" && $0.kind == 5 })
                #expect(failed.parent == nil, "nobody began a trace for it")
                #expect(failed.status == 2)
                #expect(failed.attributes["error.type"]?.isEmpty == false)
            }
        }

        /// A collector that is not there costs nothing but spans.
        @Test func aCollectorThatIsAwayHarmsNobody() async throws {
            try await ProcessStage.run(
                configure: { files, _ in
                    let port = try Admin.freePort()
                    files.more = "[tracing]\nendpoint = \"http://127.0.0.1:\(port)/v1/traces\"\n"
                }
            ) { stage in
                let replies = try await stage.deployment.collector(customers: ["acme"])
                defer { replies.stop() }
                let worker = try await stage.startReadyWorker()
                try await stage.deployment.enqueue([TestJob("one")])
                _ = try await replies.terminal(of: "one")
                #expect(try await worker.terminate() == 0)
            }
        }

        // MARK: - A sink

        struct Collected {
            var trace: String
            var id: String
            var parent: String?
            var state: String?
            var name: String
            var kind: Int
            var start: Int
            var end: Int
            var status: Int?
            var attributes: [String: String]
            var job: String? { attributes["chat_worker.job.id"] }
        }

        static func spans(of request: JSONValue) throws -> [Collected] {
            let scopes = try #require(request["resourceSpans"]?.arrayValue?.first?["scopeSpans"]?.arrayValue)
            return try scopes.flatMap { try #require($0["spans"]?.arrayValue) }.map { span in
                var attributes: [String: String] = [:]
                for attribute in span["attributes"]?.arrayValue ?? [] {
                    guard case .object(let members)? = attribute["value"], let key = attribute["key"]?.stringValue
                    else {
                        continue
                    }
                    attributes[key] = members.first.map { $0.value.stringValue ?? "\($0.value)" }
                }
                return Collected(
                    trace: try #require(span["traceId"]?.stringValue), id: try #require(span["spanId"]?.stringValue),
                    parent: span["parentSpanId"]?.stringValue, state: span["traceState"]?.stringValue,
                    name: try #require(span["name"]?.stringValue), kind: try #require(span["kind"]?.integerValue),
                    start: try #require(span["startTimeUnixNano"]?.stringValue.flatMap { Int($0) }),
                    end: try #require(span["endTimeUnixNano"]?.stringValue.flatMap { Int($0) }),
                    status: span["status"]?["code"]?.integerValue, attributes: attributes)
            }
        }

        /// An HTTP server that prints what it is posted, a line each: content type, authorization, body.
        final class Collector: Sendable {
            let process: ChildProcess
            let url: String

            init() async throws {
                let program = """
                    import http.server
                    class Sink(http.server.BaseHTTPRequestHandler):
                        protocol_version = "HTTP/1.1"
                        def do_POST(self):
                            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                            print(self.headers["Content-Type"], self.headers["Authorization"], body, flush=True)
                            self.send_response(200)
                            self.send_header("Content-Length", "2")
                            self.end_headers()
                            self.wfile.write(b"{}")
                        def log_message(self, *arguments): pass
                    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink)
                    print(server.server_address[1], flush=True)
                    server.serve_forever()
                    """
                process = try ChildProcess(["/usr/bin/env", "python3", "-c", program])
                for _ in 0..<200 where process.output.first == nil { try await Task.sleep(for: .milliseconds(50)) }
                let port = try #require(process.output.first.flatMap { Int($0) })
                url = "http://127.0.0.1:\(port)/v1/traces"
            }

            deinit { process.signal(SIGKILL) }
        }
    }
}
