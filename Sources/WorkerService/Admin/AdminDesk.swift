import AMQP
import ChatModel
import Dispatch
import JobRunner
import Synchronization

/// What the admin server asks the broker, and has it do, beside the worker's own connections: lengths of queues, dead letters,
/// cancels. Each on a connection of its own that lives for one request, one after another, on one thread that may block; looks
/// at dead letters on another, so that a cancel does not wait for them.
final class AdminDesk: Sendable {
    /// Somebody goes through the dead letters: one does at a time.
    struct Busy: Error {}

    /// Raised when the server stops: whoever looks at dead letters then stops looking.
    let isClosing = Flag()

    private let configuration: AMQPConfiguration
    private let names: QueueNames
    private let customers: JobRules.CustomerSource
    private let thread = DispatchQueue(label: "admin-desk")
    private let deadThread = DispatchQueue(label: "admin-dead")
    private let isWalking = Atomic<Bool>(false)
    private let lengths = Mutex<(lengths: [JobHistory.QueueLength], at: ContinuousClock.Instant)?>(nil)

    /// Dead letters that are looked at for one list.
    static let mostLetters = 500
    /// Of a larger body only the properties are looked at: its bytes are dropped as they come.
    private static let largestBody = 16 << 20
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
        if let known = freshLengths { return known }
        return try await onThread(thread) { [self] in
            // Whoever was before may have asked.
            if let known = freshLengths { return known }
            let session = try AMQPSession(configuration: configuration, role: "admin")
            defer { session.close() }
            let all = [
                names.jobsHigh, names.jobs, names.jobsLow, names.suspect, names.failed, names.webhooks,
                names.orderedWebhooks, names.suspectWebhooks, names.dead,
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

    private var freshLengths: [JobHistory.QueueLength]? {
        lengths.withLock { known in
            known.flatMap { ContinuousClock.now - $0.at < Self.fresh ? $0.lengths : nil }
        }
    }

    /// Of the first `mostLetters` that the broker gives, the latest first.
    func deadLetters() async throws -> [DeadLetter] {
        try await atDesk(maximumBodySize: Self.largestBody) { desk in
            var found: [DeadLetter] = []
            try desk.walk { [self] letter, _ in
                try goOn()
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
        try await atDesk(maximumBodySize: DeadLetterDesk.largestBody) { desk in
            let filter = DeadLetterFilter(ids: ids)
            var found: [(DeadLetter, String?)] = []
            try desk.walk { [self] letter, delivery in
                try goOn()
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
        _ = try await onThread(thread) { [self] in
            try JobCanceller.cancel(job: job, customer: customer, configuration: configuration, names: names)
        }
    }

    private func goOn() throws {
        if isClosing.isRaised { throw Unavailable("the worker stops") }
    }

    /// - Throws: `Busy` where somebody else is at it.
    private func atDesk<Value: Sendable>(
        maximumBodySize: Int, _ body: @escaping @Sendable (DeadLetterDesk) throws -> Value
    ) async throws -> Value {
        guard !isWalking.exchange(true, ordering: .acquiring) else { throw Busy() }
        defer { isWalking.store(false, ordering: .releasing) }
        return try await onThread(deadThread) { [self] in
            let desk = try DeadLetterDesk(
                configuration: configuration, names: names, customers: customers, maximumBodySize: maximumBodySize)
            defer { desk.close() }
            return try body(desk)
        }
    }

    private func onThread<Value: Sendable>(
        _ thread: DispatchQueue, _ body: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            thread.async { continuation.resume(with: Result { try body() }) }
        }
    }
}
