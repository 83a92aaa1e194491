import AMQP
import ChatModel
import Dispatch
import JobRunner
import Synchronization

/// What the admin server asks the broker, and has it do, beside the worker's own connections: lengths of queues, dead letters,
/// cancels. Each on a connection of its own that lives for one request, one after another, on one thread that may block.
final class AdminDesk: Sendable {
    private let configuration: AMQPConfiguration
    private let names: QueueNames
    private let customers: JobRules.CustomerSource
    private let thread = DispatchQueue(label: "admin-desk")
    private let lengths = Mutex<(lengths: [JobHistory.QueueLength], at: ContinuousClock.Instant)?>(nil)

    /// Dead letters that are looked at for one list.
    static let mostLetters = 500
    /// So long lengths are not asked again: whoever looks at a page does so all the time.
    private static let fresh = Duration.seconds(5)

    init(configuration: AMQPConfiguration, names: QueueNames, customers: JobRules.CustomerSource) {
        var patient = configuration
        patient.timeout = .seconds(5)
        self.configuration = patient
        self.names = names
        self.customers = customers
    }

    /// Queues that are not there are left out.
    func queueLengths() async throws -> [JobHistory.QueueLength] {
        if let (lengths, at) = lengths.withLock(\.self), ContinuousClock.now - at < Self.fresh { return lengths }
        return try await onThread { [self] in
            let session = try AMQPSession(configuration: configuration, role: "admin")
            defer { session.close() }
            let all = [
                names.jobsHigh, names.jobs, names.jobsLow, names.suspect, names.failed, names.webhooks,
                names.orderedWebhooks, names.dead,
            ]
            let found = all.compactMap { name in
                (try? session.inspectQueue(name)).map {
                    JobHistory.QueueLength(name: name, messages: $0.messageCount, consumers: $0.consumerCount)
                }
            }
            lengths.withLock { $0 = (found, .now) }
            return found
        }
    }

    /// Of the first `mostLetters` that the broker gives, the latest first.
    func deadLetters() async throws -> [DeadLetter] {
        try await atDesk { desk in
            var found: [DeadLetter] = []
            try desk.walk { letter, _ in
                found.append(letter)
                return found.count < Self.mostLetters
            }
            return found.sorted { ($0.deadAt?.milliseconds ?? 0) > ($1.deadAt?.milliseconds ?? 0) }
        }
    }

    /// Puts back those that carry one of these ids.
    ///
    /// - Returns: for each that was found what became of it; `nil`: it is replayed.
    func replay(_ ids: Set<String>) async throws -> [(letter: DeadLetter, obstacle: String?)] {
        try await atDesk { desk in
            let filter = DeadLetterFilter(ids: ids)
            var found: [(DeadLetter, String?)] = []
            try desk.walk { letter, delivery in
                guard filter.matches(letter) else { return true }
                let obstacle = desk.obstacle(to: letter)
                if obstacle == nil { try desk.replay(letter, delivery) }
                found.append((letter, obstacle.map { "\($0)" }))
                return true
            }
            return found
        }
    }

    func cancel(job: String, customer: String) async throws {
        try await onThread { [self] in
            try JobCanceller.cancel(job: job, customer: customer, configuration: configuration, names: names)
        }
    }

    private func atDesk<Value: Sendable>(
        _ body: @escaping @Sendable (DeadLetterDesk) throws -> Value
    ) async throws -> Value {
        try await onThread { [self] in
            let desk = try DeadLetterDesk(configuration: configuration, names: names, customers: customers)
            defer { desk.close() }
            return try body(desk)
        }
    }

    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            thread.async { continuation.resume(with: Result { try body() }) }
        }
    }
}
