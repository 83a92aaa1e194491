import ChatModel
import Foundation
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// What the admin server does with clients that are slow, many, odd, or in the way.
    @Suite(.serialized, .timeLimit(.minutes(4))) struct AdminLimits {
        static let token = "0123456789abcdef0123"

        private static func run(_ body: (ProcessStage, Int, WorkerProcess) async throws -> Void) async throws {
            let port = try Admin.freePort()
            let file = NSTemporaryDirectory() + "admin-token-\(UUID().uuidString)"
            defer { unlink(file) }
            try Data(token.utf8).write(to: URL(filePath: file))
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
            try await ProcessStage.run(configure: { files, _ in
                files.adminListen = "127.0.0.1:\(port)"
                files.admin = "token_file = \"\(file)\""
            }) { stage in
                let worker = try await stage.startReadyWorker()
                try await body(stage, port, worker)
            }
        }

        private static let cancel = #"{"job":"j","customer":"c"}"#

        private static func post(_ headers: String..., length: Int = cancel.utf8.count) -> String {
            (["POST /jobs/cancel HTTP/1.1", "Host: 127.0.0.1", "Content-Length: \(length)"] + headers)
                .joined(separator: "\r\n") + "\r\n\r\n"
        }

        @Test func slowAndMany() async throws {
            try await Self.run { _, port, worker in
                let started = ContinuousClock.now
                let silent = try RawSocket(port: port)
                let slow = try RawSocket(port: port)
                slow.send("GET /live HTTP/1.1\r\nHost: 127")
                let stalled = try RawSocket(port: port)
                stalled.send(Self.post("Authorization: Bearer \(Self.token)") + "{")
                let open = try (0..<61).map { _ in try RawSocket(port: port) }
                // The 65th is told so, at once where it asks; the others are answered, if they ask.
                let tooMany = try RawSocket(port: port)
                tooMany.send("GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                let refusal = try await tooMany.readToEnd()
                #expect(refusal.hasPrefix("HTTP/1.1 503 ") && refusal.contains("Retry-After: "), "\(refusal)")
                open[60].send("GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                #expect(try await open[60].readToEnd().hasPrefix("HTTP/1.1 200 "))
                for socket in [silent, slow, stalled] {
                    let answer = try await socket.readToEnd()
                    #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("close"), "\(answer)")
                }
                #expect(ContinuousClock.now - started < .seconds(25))
                _ = open
                #expect(try await Admin.wait(port, "/live") { $0.status == 200 }.status == 200)
                #expect(try await worker.terminate() == 0)
            }
        }

        /// A worker that is told to stop does not wait for the rest of a request.
        @Test func aStalledPostDoesNotHoldUpTheEnd() async throws {
            try await Self.run { _, port, worker in
                let stalled = try RawSocket(port: port)
                stalled.send(Self.post("Authorization: Bearer \(Self.token)", "Expect: 100-continue"))
                // The server has begun to read the body.
                #expect(try await stalled.read { $0.contains("\r\n\r\n") }.hasPrefix("HTTP/1.1 100 "))
                stalled.send("{")
                let idle = try RawSocket(port: port)
                let listener = try RawSocket(port: port)
                listener.send("GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                _ = try await listener.read { $0.contains("data: ") }
                let told = ContinuousClock.now
                worker.process.signal(SIGTERM)
                #expect(try await worker.process.exitCode(timeout: .seconds(20)) == 0)
                #expect(ContinuousClock.now - told < .seconds(9))
                let answer = try await stalled.readToEnd()
                #expect(answer.isEmpty || answer.hasPrefix("HTTP/1.1 503 "), "\(answer)")
                _ = try await (idle.readToEnd(), listener.readToEnd())
            }
        }

        @Test func asHTTPSays() async throws {
            try await Self.run { _, port, worker in
                func ask(_ text: String) async throws -> String {
                    let socket = try RawSocket(port: port)
                    socket.send(text)
                    return try await socket.readToEnd()
                }
                let close = "Host: 127.0.0.1\r\nConnection: close\r\n\r\n"
                for path in ["/", "/live", "/status", "/metrics", "/ready", "/queues", "/dead", "/events"] {
                    let head = try await ask("HEAD \(path) HTTP/1.1\r\n\(close)")
                    #expect(head.contains(" 200 OK\r\n") && head.hasSuffix("\r\n\r\n"), "\(path): \(head)")
                    let lengths = head.split(separator: "\r\n").filter { $0.lowercased().hasPrefix("content-length:") }
                    #expect(lengths.allSatisfy { !$0.hasSuffix(" 0") }, "\(path): \(head)")
                }
                for path in ["/nothing", "/jobs/cancel"] {
                    let head = try await ask("HEAD \(path) HTTP/1.1\r\n\(close)")
                    #expect(head.hasPrefix("HTTP/1.1 40") && head.hasSuffix("\r\n\r\n"), "\(path): \(head)")
                }
                for (request, allow) in [("POST /status", "GET, HEAD"), ("GET /jobs/cancel", "POST")] {
                    let answer = try await ask("\(request) HTTP/1.1\r\n\(close)")
                    #expect(answer.hasPrefix("HTTP/1.1 405 ") && answer.contains("llow: \(allow)\r\n"), "\(answer)")
                }
                // HTTP/1.0: the end of the connection is the end of the answer, and nothing is in chunks.
                for host in ["", "Host: 127.0.0.1\r\n"] {
                    let old = try await ask("GET /live HTTP/1.0\r\n\(host)\r\n")
                    #expect(old.contains(" 200 OK\r\n") && old.hasSuffix("\r\n\r\nalive\n"), "\(old)")
                }
                let events = try RawSocket(port: port)
                events.send("GET /events HTTP/1.0\r\n\r\n")
                let stream = try await events.read { $0.contains("data: ") }
                #expect(stream.contains("\r\n\r\ndata: ") && !stream.lowercased().contains("chunked"), "\(stream)")

                for (lines, status) in [
                    ("GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
                    ("GET /live HTTP/1.1\r\n\r\n", 400), ("GET /live HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400),
                    ("GET /live HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: a-miracle\r\n\r\n", 417),
                    ("GET http://127.0.0.1/live HTTP/1.1\r\n\(close)", 200), ("nonsense\r\n\r\n", 400),
                ] {
                    #expect(try await ask(lines).contains("HTTP/1.1 \(status) "), "\(lines)")
                }

                // Whoever has the token is asked for the body, whoever has not gets the answer at once.
                for scheme in ["Bearer", "bearer", "BEARER"] {
                    let socket = try RawSocket(port: port)
                    socket.send(Self.post("Authorization: \(scheme) \(Self.token)", "Expect: 100-continue"))
                    #expect(try await socket.read { $0.contains("\r\n\r\n") } == "HTTP/1.1 100 Continue\r\n\r\n")
                    socket.send(Self.cancel)
                    let answer = try await socket.read { $0.contains("written") }
                    #expect(answer.hasPrefix("HTTP/1.1 202 "), "\(answer)")
                    // The connection goes on.
                    socket.send("GET /live HTTP/1.1\r\n\(close)")
                    #expect(try await socket.readToEnd().hasPrefix("HTTP/1.1 200 "))
                }
                let stranger = try await ask(Self.post("Authorization: Bearer no", "Expect: 100-continue"))
                #expect(stranger.hasPrefix("HTTP/1.1 401 "), "\(stranger)")
                let large = try await ask(
                    Self.post("Authorization: Bearer \(Self.token)", "Connection: close", length: 100_000)
                        + String(repeating: " ", count: 100_000))
                #expect(large.contains("HTTP/1.1 413 "), "\(large)")
                #expect(try await worker.terminate() == 0)
            }
        }

        /// Two workers of one configuration share no socket: the first keeps it, and what it left is taken by the next.
        @Test func aSocketIsNotTakenAway() async throws {
            let path = "/tmp/cw-\(UUID().uuidString.prefix(8)).sock"
            defer { for file in [path, path + ".lock"] { unlink(file) } }
            func live() async throws -> String {
                let process = try ChildProcess([
                    "/usr/bin/env", "curl", "--silent", "--max-time", "10", "--unix-socket", path, "http://w/live",
                ])
                _ = try await process.exitCode(timeout: .seconds(20))
                return process.output.joined()
            }
            try await ProcessStage.run(configure: { files, _ in files.adminListen = "unix:\(path)" }) { stage in
                let first = try await stage.startReadyWorker()
                let second = try await stage.startReadyWorker()
                _ = try await second.logLine("the admin server cannot listen; the worker works without it")
                #expect(try await live() == "alive")
                #expect(try await second.terminate() == 0)
                #expect(try await live() == "alive", "the second one has taken nothing with it")
                await first.kill()
                let third = try await stage.startReadyWorker()
                _ = try await third.logLine("the admin server listens")
                #expect(try await live() == "alive", "what a killed one left is in nobody's way")
                #expect(try await third.terminate() == 0)
                #expect(access(path, F_OK) != 0)
            }
        }
    }
}
