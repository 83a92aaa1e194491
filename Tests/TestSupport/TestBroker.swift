public import Foundation
import Synchronization

/// A private RabbitMQ node for tests, run by `scripts/broker` in a folder of its own and killed when the tests' process
/// ends. With `CHAT_WORKER_TEST_AMQP_URL` set, `shared` is the broker of that URL instead, and is left alone.
/// `CHAT_WORKER_BROKER_RELEASE` chooses the release of all of them, as the script has it; each release has folders of its
/// own, since a broker does not read another one's data. So has each `CHAT_WORKER_TEST_LANE`: processes of tests that run
/// side by side.
///
/// Names on `shared` must be unique to a test (`uniqueName`), and deleted by it. Tests that stop, kill or fill a broker
/// start one of their own.
public final class TestBroker: Sendable {
    /// What went wrong with the script.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String

        public init(description: String) { self.description = description }
    }

    private static let running = Mutex<[String: TestBroker]>([:])
    /// Once in a process.
    private static let killsAtExit: Void = { atexit { TestBroker.killAll() } }()
    private static let environmentURL = ProcessInfo.processInfo.environment["CHAT_WORKER_TEST_AMQP_URL"]

    /// The checkout, found from this file.
    public static let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    public let name: String
    private let directory: URL

    private init(name: String) {
        self.name = name
        let suffix = ["CHAT_WORKER_BROKER_RELEASE", "CHAT_WORKER_TEST_LANE"]
            .compactMap { ProcessInfo.processInfo.environment[$0] }.filter { !$0.isEmpty && $0 != "installed" }
            .map { "-\($0)" }.joined()
        directory = Self.checkout.appending(path: ".build/test-brokers/\(name)\(suffix)")
    }

    /// The version of the brokers that are started here, as `[4, 0, 5]`.
    public static func version() throws -> [Int] {
        try TestBroker(name: "shared").run("version").split(separator: ".").compactMap { Int($0) }
    }

    /// The broker that all tests share; started at the first call.
    public static func shared() throws -> TestBroker { try named("shared") }

    /// A broker for tests that do harm to it; started at the first call with this name.
    public static func named(_ name: String) throws -> TestBroker {
        try running.withLock { brokers in
            if let broker = brokers[name] { return broker }
            let broker = TestBroker(name: name)
            if broker.isOwned {
                _ = killsAtExit
                // Registered before it starts, so that a start that fails half way is cleaned up as well.
                brokers[name] = broker
                do {
                    try broker.run("start", "--tls")
                } catch {
                    brokers[name] = nil
                    _ = try? broker.run("kill")
                    throw error
                }
            }
            brokers[name] = broker
            return broker
        }
    }

    /// A cluster of so many nodes, made anew: the first is `named(name)`, and ends with it.
    public static func cluster(_ name: String, nodes count: Int) throws -> [TestBroker] {
        try running.withLock { brokers in
            let nodes = (1...count).map { TestBroker(name: $0 == 1 ? name : "\(name)-\($0)") }
            _ = killsAtExit
            for node in nodes.reversed() { _ = try node.run(["wipe"]) }
            for node in nodes {
                brokers[node.name] = node
                _ = try node.run(["start"] + (node === nodes[0] ? [] : ["--join", nodes[0].directory.path]))
            }
            return nodes
        }
    }

    /// Takes it away, with its data.
    public func wipe() throws {
        Self.running.withLock { $0[name] = nil }
        _ = try run(["wipe"])
    }

    /// Whether it was started here, and so has TLS and may be controlled.
    public var isOwned: Bool { !(name == "shared" && Self.environmentURL != nil) }

    /// `amqp://guest:guest@127.0.0.1:PORT/%2F`
    public var url: String {
        get throws { try isOwned ? run("url") : Self.environmentURL ?? "" }
    }

    /// `amqps://guest:guest@localhost:PORT/%2F`
    public var tlsURL: String {
        get throws { try run("tls-url") }
    }

    /// `ca.pem`, `client.pem`, `client.key`, ...
    public func tlsFile(_ name: String) -> String { directory.appending(path: "tls/\(name)").path }

    /// The node's process.
    public var processID: Int32 {
        get throws {
            guard let pid = Int32(try run("pid")) else { throw Failure(description: "no pid") }
            return pid
        }
    }

    /// Runs `rabbitmqctl`.
    @discardableResult
    public func control(_ arguments: String...) throws -> String { try run(["ctl"] + arguments) }

    /// Runs `scripts/broker` and returns its output without the last line break.
    @discardableResult
    public func run(_ arguments: String...) throws -> String { try run(arguments) }

    /// Runs `start` or `restart`, and restarts while the broker is not sound. RabbitMQ 3.10 can lose a race with itself: a
    /// quorum queue with at-least-once dead-lettering that is recovered asks for its own record before it is there, and
    /// with its second failure the supervisor of all of them is gone. Then no such queue works before the next start,
    /// which nothing outside the broker can mend.
    public func runUntilSound(_ arguments: String...) throws {
        _ = try run(arguments)
        for _ in 0..<5 where try control("eval", "whereis(rabbit_fifo_dlx_sup).") == "undefined" {
            _ = try run(["restart"])
        }
    }

    public func run(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = Self.checkout.appending(path: "scripts/broker")
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(
            ["CHAT_WORKER_BROKER_DIR": directory.path], uniquingKeysWith: { $1 })
        // Into a file, not a pipe: whatever the node inherits could keep a pipe open for ever.
        let output = FileManager.default.temporaryDirectory.appending(path: "broker-\(UUID().uuidString)")
        _ = FileManager.default.createFile(atPath: output.path, contents: nil)
        defer { try? FileManager.default.removeItem(at: output) }
        let handle = try FileHandle(forWritingTo: output)
        process.standardOutput = handle
        process.standardError = handle
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try handle.close()
        let text = try String(contentsOf: output, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
        guard process.terminationStatus == 0 else {
            throw Failure(description: "scripts/broker \(arguments.joined(separator: " ")): \(text)")
        }
        return text
    }

    private static func killAll() {
        let brokers = running.withLock { Array($0.values) }
        for broker in brokers where broker.isOwned { _ = try? broker.run("kill") }
    }
}

/// A name that no other test uses, also not in an earlier run.
public func uniqueName(_ prefix: String = "test") -> String {
    "\(prefix).\(String(UInt64.random(in: 0...UInt64.max), radix: 36))"
}
