package import AMQP
package import ChatModel
package import JobRunner

/// Reads what the broker knows of a job. Blocking; one thread. It takes nothing from any queue of jobs: looking into one
/// with `basic.get` would raise delivery counts, which decide about jobs.
package struct JobHistory {
    /// What a queue says of itself.
    package struct QueueLength: Sendable, Equatable {
        package var name: String
        /// Ready; not those that workers hold.
        package var messages: Int
        package var consumers: Int
    }

    /// Of each customer that has a job of this id.
    package private(set) var stories: [JobStory] = []
    package private(set) var queues: [QueueLength] = []
    /// Entries of the journal that were looked at.
    package private(set) var read = 0
    /// The oldest entry that the journal still has.
    package private(set) var reachesBackTo: Timestamp?
    /// Dead letters were not looked at: there are so many.
    package private(set) var deadLettersSkipped: Int?

    /// Dead letters that are looked through at most: each is taken and given back.
    private static let mostDeadLetters = 5_000

    /// No event of a worker's is larger, and of a larger dead letter only the properties are looked at.
    private static let largestEvent = 1 << 20
    private static let largestDeadLetter = 16 << 20

    private let job: String
    private let configuration: AMQPConfiguration
    private let names: QueueNames

    package init(job: String, configuration: AMQPConfiguration, names: QueueNames) {
        self.job = job
        self.configuration = configuration
        self.names = names
    }

    /// - Parameters:
    ///   - since: from when on the journal is read; `nil`: all of it.
    ///   - progress: told now and then how many entries were read, and of what time the last one was.
    /// - Throws: `Unavailable` where there is no journal, or its end is not read in time; `AMQPError`.
    package mutating func read(
        since: Timestamp?, customers: JobRules.CustomerSource, timeout: Duration = .seconds(300),
        progress: (Int, Timestamp?) -> Void = { _, _ in }
    ) throws {
        try readJournal(since: since, timeout: timeout, progress: progress)
        let session = try AMQPSession(configuration: configuration, role: "explain")
        defer { session.close() }
        if stories.isEmpty { reachesBackTo = try oldest(session) }
        for name in [names.jobsHigh, names.jobs, names.jobsLow, names.suspect, names.failed] {
            guard let status = try? session.inspectQueue(name) else { continue }
            queues.append(.init(name: name, messages: status.messageCount, consumers: status.consumerCount))
        }
        let dead = try? session.inspectQueue(names.dead).messageCount
        if let dead, dead > Self.mostDeadLetters { deadLettersSkipped = dead } else { try readDeadLetters(customers) }
    }

    private mutating func readJournal(since: Timestamp?, timeout: Duration, progress: (Int, Timestamp?) -> Void) throws
    {
        let deadline = ContinuousClock.now + timeout
        let session = try AMQPSession(
            configuration: configuration, role: "explain", maximumBodySize: Self.largestEvent)
        defer { session.close() }
        let offset: FieldValue = since.map { .timestamp(UInt64(clamping: $0.milliseconds / 1_000)) } ?? .string("first")
        do throws(AMQPError) {
            try session.consume(names.journal, prefetch: 2_000, arguments: ["x-stream-offset": offset])
        } catch {
            throw Unavailable.missing("the stream \(names.journal)", where: error)
        }
        // Nobody says where a stream ends: what was there before this mark has been read when the mark comes by.
        let mark = String(UInt64.random(in: .min ... .max), radix: 16)
        let outcome = try session.publish(
            routingKey: names.journal,
            properties: MessageProperties(
                isPersistent: true, messageID: mark, type: "mark", userID: configuration.username),
            body: [], mandatory: true)
        guard outcome == .confirmed else { throw Unavailable.missing("the stream \(names.journal)") }
        var byCustomer: [String: JobStory] = [:]
        var isRead = false
        while !isRead, let delivery = try session.receive(timeout: deadline - .now) {
            try session.acknowledge(delivery)
            if delivery.properties.messageID == mark, delivery.properties.type == "mark" {
                isRead = true
                continue
            }
            read += 1
            if read.isMultiple(of: 5_000) {
                let time = delivery.properties.headers.integer("x-time")
                progress(read, time.map { Timestamp(milliseconds: $0) })
            }
            guard let event = JournalEvent(delivery, job: job, workerUser: configuration.username) else { continue }
            // The offset of a stream is that of a chunk of messages: it begins earlier.
            byCustomer[event.customer, default: JobStory(job: job, customer: event.customer)].note(event)
        }
        guard isRead else {
            throw Unavailable(
                "the stream \(names.journal) was not read to its end within \(timeout) (\(read) events): use --since")
        }
        stories = byCustomer.values.sorted { $0.customer < $1.customer }
    }

    private func oldest(_ session: AMQPSession) throws -> Timestamp? {
        let tag = try session.consume(names.journal, prefetch: 20, arguments: ["x-stream-offset": .string("first")])
        defer { try? session.cancel(consumer: tag) }
        // Marks have no time.
        for _ in 0..<20 {
            guard let delivery = try session.receive(timeout: .seconds(2)) else { return nil }
            if let time = delivery.properties.headers.integer("x-time") { return Timestamp(milliseconds: time) }
        }
        return nil
    }

    private mutating func readDeadLetters(_ customers: JobRules.CustomerSource) throws {
        let filter = DeadLetterFilter(ids: [job])
        let desk = try DeadLetterDesk(
            configuration: configuration, names: names, customers: customers,
            maximumBodySize: Self.largestDeadLetter)
        defer { desk.close() }
        var found: [DeadLetter] = []
        try desk.walk { letter, _ in
            if filter.matches(letter) { found.append(letter) }
            return true
        }
        for letter in found {
            let customer = letter.customer ?? ""
            let index =
                stories.firstIndex { $0.customer == customer }
                ?? {
                    stories.append(JobStory(job: job, customer: customer))
                    return stories.count - 1
                }()
            stories[index].note(letter)
        }
    }
}
