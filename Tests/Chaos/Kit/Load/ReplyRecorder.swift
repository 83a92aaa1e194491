package import AMQP
internal import Foundation
internal import Synchronization
internal import TestSupport

/// All customers at once: declares their reply queues, reads them with acks on a connection that goes through no proxy,
/// and writes down what comes. It comes back whenever the broker does.
package final class ReplyRecorder: Sendable {
    private let configuration: @Sendable () -> AMQPConfiguration
    private let queues: [(name: String, isQuorum: Bool)]
    private let ledger: Ledger
    private let isStopped = Mutex(false)
    private let log = EventLog<String>()

    /// - Parameter configuration: where the broker is; asked before each connection.
    package init(
        _ configuration: @escaping @Sendable () -> AMQPConfiguration, prefix: String, customers: [Customer],
        ledger: Ledger
    ) {
        self.configuration = configuration
        queues = customers.map { ("\(prefix).reply.\($0.name)", $0.hasDurableReplies) }
        self.ledger = ledger
    }

    /// Returns when the queues are there.
    package func start() async throws {
        Thread { self.run() }.start()
        try await log.wait("reply recorder", timeout: .seconds(60)) { $0.contains("ready") }
    }

    package func stop() async throws {
        isStopped.withLock { $0 = true }
        try await log.wait("end of the reply recorder", timeout: .seconds(60)) { $0.contains("ended") }
    }

    private func run() {
        while !isStopped.withLock({ $0 }) {
            do {
                try read()
            } catch {
                Thread.sleep(forTimeInterval: 0.1)
            }
        }
        log.append("ended")
    }

    private func read() throws {
        var patient = configuration()
        // The reader is no part of what is tested: a busy machine must not cost it its connection.
        patient.heartbeat = .seconds(60)
        let session = try AMQPSession(configuration: patient, role: "customers")
        defer { session.close() }
        for queue in queues {
            let arguments: FieldTable = queue.isQuorum ? ["x-queue-type": .string("quorum")] : [:]
            try session.declareQueue(queue.name, durable: true, arguments: arguments)
            try session.consume(queue.name, prefetch: 1_000)
        }
        log.append("ready")
        while !isStopped.withLock({ $0 }) {
            guard let delivery = try session.receive(timeout: .milliseconds(100)) else { continue }
            ledger.record(delivery)
            try session.acknowledge(delivery)
        }
    }
}
