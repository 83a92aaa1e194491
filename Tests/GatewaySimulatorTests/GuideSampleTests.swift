import Foundation
import TestSupport
import Testing

@testable import GatewaySimulator

/// The guide's own Python clients talk to the simulated gateway. They need packages of PyPI, which `scripts/guide-samples`
/// installs; where it cannot, these tests fail and say so.
@Suite(.serialized, .timeLimit(.minutes(5))) struct GuideSampleTests {
    private static let text = "실시간 스트리밍 works, 👩‍👩‍👧‍👦 too."

    @Test(arguments: ["holy_sheep_websocket.py", "holy_sheep_simple.py"])
    func sample(_ name: String) async throws {
        let python = try await Self.python()
        var options = SimulatedGateway.Options()
        options.text = Self.text
        options.apiKeys = ["sk-sample"]
        options.closesAfterAnswer = true
        let gateway = try await SimulatedGateway.start(options)
        let client = try ChildProcess(
            [python, "-u", "\(Self.root)/Tests/GatewaySimulatorTests/Samples/\(name)"],
            environment: [
                "GATEWAY_URL": gateway.url, "GATEWAY_API_KEY": "sk-sample", "PYTHONIOENCODING": "utf-8",
                "LC_ALL": "C.UTF-8",
            ])
        let code = try await client.exitCode()
        let output = client.output.joined(separator: "\n")
        #expect(code == 0, "\(client.errors.joined(separator: "\n"))")
        #expect(output.contains(Self.text))
        #expect(!output.contains("❌"))
        #expect(gateway.answers.map(\.end) == [.complete])
        await gateway.shutdown()
    }

    /// A wrong key is refused as the guide says.
    @Test func aWrongKey() async throws {
        let python = try await Self.python()
        var options = SimulatedGateway.Options()
        options.apiKeys = ["sk-right"]
        let gateway = try await SimulatedGateway.start(options)
        let client = try ChildProcess(
            [python, "-u", "\(Self.root)/Tests/GatewaySimulatorTests/Samples/holy_sheep_simple.py"],
            environment: ["GATEWAY_URL": gateway.url, "GATEWAY_API_KEY": "sk-wrong", "LC_ALL": "C.UTF-8"])
        _ = try await client.exitCode()
        #expect(client.output.contains { $0.contains("403") })
        await gateway.shutdown()
    }

    private static var root: String { TestBroker.checkout.path }

    private struct NotRun: Error, CustomStringConvertible {
        var description: String
    }

    private static func python() async throws -> String {
        let environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("PYTHON") }
        let script = try ChildProcess(["\(root)/scripts/guide-samples"], environment: environment)
        let code = try await script.exitCode(timeout: .seconds(180))
        guard code == 0, let path = script.output.last else {
            throw NotRun(
                description: "THE GUIDE'S SAMPLES WERE NOT RUN. scripts/guide-samples says: "
                    + script.errors.joined(separator: " "))
        }
        return path
    }
}
