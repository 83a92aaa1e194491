import ChatModel
import Foundation
import TestSupport

/// The real program, as `swift build --build-tests` makes it.
enum ChatWorkerBinary {
    /// Beside the bundle of the tests.
    static let path = TestBroker.checkout.appending(path: ".build/debug/chat-worker").path

    /// Runs one command to its end.
    static func run(
        _ arguments: String..., environment: [String: String] = [:], timeout: Duration = .seconds(60)
    ) async throws -> CommandResult {
        let process = try ChildProcess([path] + arguments, environment: environment)
        let code = try await process.exitCode(timeout: timeout)
        return CommandResult(
            exitCode: code, output: process.output.joined(separator: "\n"),
            errors: process.errors.joined(separator: "\n"))
    }
}

/// What a command said and how it ended.
struct CommandResult: Sendable {
    var exitCode: Int32
    var output: String
    var errors: String

    var all: String { output + "\n" + errors }
}

/// `chat-worker run` with a configuration of its own, as systemd would start it.
final class WorkerProcess: Sendable {
    let log = EventLog<ProcessEvent>()
    let process: ChildProcess
    /// Holds it open as long as the process is looked at.
    private let socket: NotifySocket

    /// - Parameters:
    ///   - watchdog: `WatchdogSec=`; the status line comes four times as often.
    ///   - launcher: a command that becomes the one behind it.
    ///   - binary: another program than the one that is tested.
    init(
        _ files: WorkerFiles, watchdog: Duration? = .milliseconds(400), environment: [String: String] = [:],
        launcher: [String] = [], binary: String = ChatWorkerBinary.path
    ) throws {
        let path = "\(files.folder)/notify-\(UInt32.random(in: .min ... .max))"
        socket = try NotifySocket(path: path, log: log)
        var variables = ["NOTIFY_SOCKET": path].merging(environment) { $1 }
        // Whoever schedules something on an event loop that is gone crashes, where NIO else only prints a line.
        if binary == ChatWorkerBinary.path { variables["SWIFTNIO_STRICT"] = "1" }
        if let watchdog { variables["WATCHDOG_USEC"] = "\(Int(watchdog / .microseconds(1)))" }
        process = try ChildProcess(
            launcher + [binary, "run", "--config", files.configuration], environment: variables,
            log: log)
    }

    /// Waits until it has told systemd so.
    func untilReady(timeout: Duration = .seconds(30)) async throws {
        try await log.wait("READY=1", timeout: timeout) { events in
            events.contains { $0.notifies("READY=1") || $0.exitCode != nil }
        }
        if let code = exitCode { throw TestBroker.Failure(description: "ended with \(code): \(process.errors)") }
    }

    /// Waits for a status line.
    func untilStatus(_ what: String, from start: Int = 0, _ isMet: @escaping @Sendable (String) -> Bool) async throws {
        _ = try await log.first(what, from: start) { event in event.status.flatMap { isMet($0) ? $0 : nil } }
    }

    /// SIGTERM, then its exit code.
    func terminate(timeout: Duration = .seconds(30)) async throws -> Int32 {
        process.signal(SIGTERM)
        return try await process.exitCode(timeout: timeout)
    }

    func kill() async { await process.kill() }

    var exitCode: Int32? { log.events.lazy.compactMap(\.exitCode).first }

    /// Its log lines; every line must be one.
    func logLines() throws -> [JSONValue] {
        try process.errors.map { line in
            do {
                return try JSONValue(parsing: line.utf8)
            } catch {
                throw TestBroker.Failure(description: "no log line, \(error): '\(line)'")
            }
        }
    }

    /// Waits for a log line.
    func logLine(_ message: String) async throws -> JSONValue {
        try await log.first(message) { event in
            guard case .error(let line) = event, let value = try? JSONValue(parsing: line.utf8) else { return nil }
            return value["message"]?.stringValue == message ? value : nil
        }
    }

    /// Everything that it told anybody on this machine.
    var everythingSaid: String {
        log.events.map { event in
            switch event {
            case .output(let line), .error(let line): line
            case .notified(let lines): lines.joined(separator: "\n")
            case .exited: ""
            }
        }.joined(separator: "\n")
    }
}

extension ProcessEvent {
    func notifies(_ line: String) -> Bool {
        if case .notified(let lines) = self { lines.contains(line) } else { false }
    }

    var status: String? {
        guard case .notified(let lines) = self else { return nil }
        return lines.first { $0.hasPrefix("STATUS=") }.map { String($0.dropFirst(7)) }
    }
}
