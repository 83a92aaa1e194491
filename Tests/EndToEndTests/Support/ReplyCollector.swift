import AMQP
import Foundation
import Synchronization
import TestSupport

/// Reads reply queues on a thread of its own and keeps all that came, in order.
final class ReplyCollector: Sendable {
    let log = EventLog<Delivery>()
    private let isStopped = Atomic<Bool>(false)

    /// Declares the queues before it returns.
    init(_ configuration: AMQPConfiguration, queues: [String]) async throws {
        let isReady = EventLog<String>()
        var configuration = configuration
        // The reader is no part of what is tested: a busy machine must not cost it its connection.
        configuration.heartbeat = .seconds(60)
        let patient = configuration
        let thread = Thread { [log, self] in
            do {
                let session = try AMQPSession(configuration: patient, role: "collector")
                defer { session.close() }
                for queue in queues {
                    try session.declareQueue(queue, exclusive: true, autoDelete: true)
                    try session.consume(queue, noAck: true)
                }
                isReady.append("ready")
                while !isStopped.load(ordering: .relaxed) {
                    if let delivery = try session.receive(timeout: .milliseconds(200)) { log.append(delivery) }
                }
            } catch {
                isReady.append("failed: \(error)")
            }
        }
        thread.start()
        try await isReady.wait("collector ready") { $0.first == "ready" }
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    /// Replies of a job, in the order in which they came.
    func replies(of job: String) -> [Delivery] { log.events.filter { $0.job == job } }

    /// Waits for the terminal of a job and returns all its replies up to then.
    @discardableResult
    func terminal(of job: String, timeout: Duration = .seconds(30)) async throws -> [Delivery] {
        try await log.wait("terminal of \(job)", timeout: timeout) { events in
            events.contains { $0.job == job && $0.isTerminal }
        }
        return replies(of: job)
    }
}

extension Delivery {
    var job: String? { properties.headers.string("x-job") }
    var isTerminal: Bool { properties.type == "chat.completion" || properties.type == "error" }
}
