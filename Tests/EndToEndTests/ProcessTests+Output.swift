import Foundation
import Glibc
import TestSupport
import Testing

extension ProcessTests {
    /// Commands whose output nobody gets.
    @Suite(.serialized) struct Output {
        static let commands: [[String]] = [
            ["version"], ["version", "--json"], ["--version"], ["--help"], ["run", "--help"], ["help", "send"],
            ["check", "--offline"], ["check", "--offline", "--json"], ["topology"], ["topology", "--json"],
            ["topology", "--permissions"], ["topology", "--permissions", "--json"],
            ["--generate-completion-script", "bash"],
            ["simulate", "gateway", "--port", "0"], ["simulate", "webhook", "--port", "0", "--json"],
        ]

        /// A full disk, a pipe without a reader, a closed descriptor.
        @Test(arguments: commands, [">/dev/full", "| sleep 0", ">&-"])
        func aCommandWhoseOutputIsLostFails(_ command: [String], _ redirection: String) async throws {
            let folder = NSTemporaryDirectory() + "chat-worker-output-" + UUID().uuidString
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let file = "\(folder)/worker.conf"
            // Nobody listens on port 1.
            let text = """
                [broker]
                url = "amqp://127.0.0.1:1"
                [gateways.main]
                url = "ws://127.0.0.1:1"
                key_file = ""
                [models.m]
                """
            try Data(text.utf8).write(to: URL(filePath: file))
            let takesFile = ["check", "topology"].contains(command[0])
            let words = command + (takesFile ? ["--config", file] : [])
            // The pipe's reader is gone before the program begins.
            let script =
                redirection.hasPrefix("|")
                ? "set -o pipefail; (sleep 0.2; exec \"$0\" \"$@\") | true" : "exec \"$0\" \"$@\" \(redirection)"
            let process = try ChildProcess(["/bin/bash", "-c", script, ChatWorkerBinary.path] + words)
            #expect(try await process.exitCode() == 74, "\(process.errors)")
            #expect(
                process.errors.contains { $0.hasPrefix("chat-worker: the output cannot be written: ") },
                "\(process.errors)")
        }

        /// What is asked for and can be written is, with the old exit codes.
        @Test(
            arguments: [
                (["--version"], 0), (["--help"], 0), (["version"], 0), (["send"], 64), (["nonsense"], 64),
                (["check", "--config", "/none"], 78), (["run", "--config", "/none"], 78),
            ] as [([String], Int32)])
        func otherwiseNothingChanges(_ command: [String], _ code: Int32) async throws {
            let process = try ChildProcess([ChatWorkerBinary.path] + command)
            #expect(try await process.exitCode() == code)
            #expect(process.output.isEmpty == (code != 0) || command[0] == "check")
            #expect(process.errors.isEmpty == (code == 0) || command[0] == "check")
        }
    }
}
