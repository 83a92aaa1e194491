internal import ChatModel
internal import TestSupport

/// The simulated gateway as a process of its own, which can be killed. It says the question back, in fragments, frames and
/// escapes of many kinds, and writes down what it said.
package struct GatewayProcess: Sendable {
    package let port: Int
    private let process: ChildProcess

    package static func start(binary: String, keyFile: String, transcript: String) async throws -> GatewayProcess {
        let process = try ChildProcess([
            binary, "simulate", "gateway", "--json", "--echo", "--rate", "30", "--first-token", "40", "--frames",
            "mixed", "--fragment", "--escape", "some", "--key-file", keyFile, "--transcript", transcript,
        ])
        let port = try await process.log.first("gateway ready", timeout: .seconds(60)) { event -> Int? in
            switch event {
            case .output(let line): (try? JSONValue(parsing: line.utf8))?["port"]?.integerValue
            case .exited: -1
            default: nil
            }
        }
        guard port > 0 else { throw TestBroker.Failure(description: "the gateway ended: \(process.errors)") }
        return GatewayProcess(port: port, process: process)
    }

    package func kill() async { await process.kill() }

    /// Lets it write its last lines.
    package func stop() async {
        process.signal(15)
        _ = try? await process.exitCode(timeout: .seconds(20))
    }
}
