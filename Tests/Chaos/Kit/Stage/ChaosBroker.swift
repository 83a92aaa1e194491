package import AMQP
internal import Foundation
internal import JobRunner
internal import Synchronization
internal import TestSupport

/// The private broker of a run. Its script blocks, so every call goes to a thread of its own.
package final class ChaosBroker: Sendable {
    let broker: TestBroker
    private let current: Mutex<AMQPConfiguration>

    private init(_ broker: TestBroker, _ configuration: AMQPConfiguration) {
        self.broker = broker
        current = Mutex(configuration)
    }

    package static func start(named name: String) async throws -> ChaosBroker {
        try await onOwnThread {
            let broker = try TestBroker.named(name)
            try broker.runUntilSound("start", "--tls")
            return ChaosBroker(broker, try configuration(of: broker))
        }
    }

    /// How to reach it, as it is, or was when it ran last.
    package var configuration: AMQPConfiguration { current.withLock { $0 } }
    package var port: Int { configuration.addresses.first?.port ?? 0 }

    private static func configuration(of broker: TestBroker) throws -> AMQPConfiguration {
        var configuration = try AMQPConfiguration(url: try broker.url)
        configuration.timeout = .seconds(5)
        return configuration
    }

    /// Starts it again, on another port where somebody took its own meanwhile.
    package func startUntilSound() async throws {
        try await onOwnThread { [self] in
            try broker.runUntilSound("start", "--tls")
            let configuration = try Self.configuration(of: broker)
            current.withLock { $0 = configuration }
        }
    }

    package func run(_ command: String) async throws {
        try await onOwnThread { [broker] in _ = try broker.run(command) }
    }

    @discardableResult
    package func control(_ arguments: [String]) async throws -> String {
        try await onOwnThread { [broker] in try broker.run(["ctl"] + arguments) }
    }

    /// All queues whose name begins so, but no streams: those keep what they have.
    func queues(prefix: String) async throws -> [String] {
        try await control(["list_queues", "--no-table-headers", "name", "type"]).split(separator: "\n")
            .map { $0.split(separator: "\t").map(String.init) }
            .filter { $0.count == 2 && $0[0].hasPrefix(prefix + ".") && !$0[1].contains("stream") }
            .map { $0[0] }
    }

    /// Returns when nothing is ready in these queues, or at the deadline. A broker has no event for that.
    func untilEmpty(_ queues: [String], within limit: Duration) async throws {
        let configuration = configuration
        try await onOwnThread {
            let session = try AMQPSession(configuration: configuration, role: "inspector")
            defer { session.close() }
            let end = ContinuousClock.now + limit
            while try queues.contains(where: { try session.inspectQueue($0).messageCount > 0 }),
                ContinuousClock.now < end
            {
                _ = try session.receive(timeout: .milliseconds(100))
            }
        }
    }

    /// Messages that are ready in these queues, counted by the queues themselves.
    func readyCounts(_ queues: [String]) async throws -> [String: Int] {
        let configuration = configuration
        return try await onOwnThread {
            let session = try AMQPSession(configuration: configuration, role: "inspector")
            defer { session.close() }
            var counts: [String: Int] = [:]
            for queue in queues { counts[queue] = try session.inspectQueue(queue).messageCount }
            return counts
        }
    }

    /// Job and reason of every dead letter, taken out.
    func takeDeadLetters(_ names: QueueNames) async throws -> [String: String] {
        let configuration = configuration
        return try await onOwnThread {
            let session = try AMQPSession(configuration: configuration, role: "inspector")
            defer { session.close() }
            var letters: [String: String] = [:]
            while let letter = try session.get(names.dead, noAck: true) {
                let id = letter.properties.messageID ?? "without an id (\(letters.count))"
                letters[id] = letter.properties.headers.string("x-reason") ?? "no reason"
            }
            return letters
        }
    }

    package func deleteQueue(_ name: String) async throws {
        let configuration = configuration
        try await onOwnThread {
            let session = try AMQPSession(configuration: configuration, role: "vandal")
            defer { session.close() }
            try session.deleteQueue(name)
        }
    }
}
