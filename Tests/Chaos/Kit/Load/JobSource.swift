package import AMQP
internal import ChatModel
internal import Foundation
internal import Synchronization
internal import TestSupport

/// A backend that never rests: keeps a number of jobs under way, each published with a confirm and `mandatory`, on a
/// thread and a connection of its own that goes through no proxy.
package final class JobSource: Sendable {
    package struct Load: Sendable {
        /// Jobs that are confirmed and not answered; no new one comes before one of them has ended.
        package var underWay = 24
        /// At most so many a second.
        package var perSecond = 20.0
        package var words = 8...22
        /// One in so many jobs meets trouble at the gateway, or is invalid.
        package var oneOddIn = 40

        package init() {}
    }

    /// Jobs out of the ordinary, for faults that need them.
    package enum Kind: Sendable {
        case plain
        /// Refused or cut before the first token, once.
        case retried
        /// Breaks in mid-answer.
        case broken
        case invalid
        /// Its first token comes after so many milliseconds.
        case slow(Int)
    }

    private struct State {
        var random: SeededGenerator
        var number = 0
        var wanted: [Kind] = []
        var isPaused = false
        var isStopped = false
    }

    private let configuration: @Sendable () -> AMQPConfiguration
    private let exchange: String
    private let customers: [Customer]
    private let ledger: Ledger
    private let load: Load
    private let state: Mutex<State>
    private let hasEnded = EventLog<Bool>()

    /// - Parameter configuration: where the broker is; asked before each connection.
    package init(
        _ configuration: @escaping @Sendable () -> AMQPConfiguration, exchange: String, customers: [Customer],
        ledger: Ledger, load: Load,
        seed: UInt64
    ) {
        self.configuration = configuration
        self.exchange = exchange
        self.customers = customers
        self.ledger = ledger
        self.load = load
        state = Mutex(State(random: SeededGenerator(seed: seed &+ 0x10B5)))
    }

    package func start() { Thread { self.run() }.start() }

    /// Asks for odd jobs, which come before all others.
    package func want(_ jobs: [Kind]) { state.withLock { $0.wanted += jobs } }

    /// Publishes nothing more; returns when the thread has ended.
    package func stop() async throws {
        state.withLock { $0.isStopped = true }
        try await hasEnded.wait("end of the job source", timeout: .seconds(60)) { !$0.isEmpty }
    }

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    private func run() {
        while !isStopped {
            do {
                let session = try AMQPSession(configuration: configuration(), role: "backend")
                defer { session.close() }
                try publish(on: session)
            } catch {
                // The broker is away: that is what is tested. The pause keeps the loop from spinning.
                Thread.sleep(forTimeInterval: 0.1)
            }
        }
        hasEnded.append(true)
    }

    private func publish(on session: AMQPSession) throws {
        while !isStopped {
            let isWanted = state.withLock { !$0.wanted.isEmpty }
            if !isWanted, ledger.openCount >= load.underWay {
                // Keeps the heartbeats going.
                _ = try session.receive(timeout: .milliseconds(20))
                continue
            }
            let (job, message) = next()
            ledger.add(job)
            let outcome = try session.publish(
                exchange: exchange, routingKey: "jobs", properties: message.properties, body: message.body,
                mandatory: true)
            if outcome == .confirmed { ledger.confirm(job.id) }
            _ = try session.receive(timeout: .milliseconds(Int64(1_000 / load.perSecond)))
        }
    }

    private func next() -> (JobRecord, (properties: MessageProperties, body: [UInt8])) {
        let at = ledger.now
        return state.withLock { state in
            let kind = state.wanted.isEmpty ? oddity(&state.random) : state.wanted.removeFirst()
            state.number += 1
            let customer = customers[state.number % customers.count]
            let job = JobRecord(
                id: "job-\(state.number)", customer: customer.name, wish: kind.wish, publishedAt: at,
                certainty: .uncertain, text: Prompt.text(words: load.words, using: &state.random),
                hasDurableReplies: customer.hasDurableReplies)
            return (job, Self.message(job, simulate: kind.directive(using: &state.random)))
        }
    }

    private func oddity(_ random: inout SeededGenerator) -> Kind {
        guard load.oneOddIn > 0, Int.random(in: 0..<load.oneOddIn, using: &random) == 0 else { return .plain }
        return [.retried, .broken, .invalid][Int.random(in: 0..<3, using: &random)]
    }

    private static func message(
        _ job: JobRecord, simulate directive: String?
    ) -> (properties: MessageProperties, body: [UInt8]) {
        var members: [JSONValue.Member] = [
            .init("model", .string("gpt-4.1")),
            .init(
                "messages",
                .array([.object([.init("role", .string("user")), .init("content", .string(job.text))])])),
            .init("user", .string(job.id)),
        ]
        if job.wish == .refusal { members.append(.init("n", .integer(0))) }
        if let directive { members.append(.init("x_simulate", .string(directive))) }
        var about: [JSONValue.Member] = [
            .init("id", .string(job.id)), .init("customer", .string(job.customer)),
        ]
        if job.wantsWebhook { about.append(.init("webhook", .string("receiver"))) }
        members.append(.init("job", .object(about)))
        let properties = MessageProperties(
            contentType: "application/json", headers: ["x-customer": .string(job.customer)], isPersistent: true,
            messageID: job.id)
        return (properties, JSONValue.object(members).serialized())
    }
}

/// Who asks, and what the own reply queue keeps.
package struct Customer: Sendable {
    package var name: String
    /// A quorum queue keeps every confirmed message over a restart of the broker, a classic one only persistent ones.
    package var hasDurableReplies: Bool

    package init(name: String, hasDurableReplies: Bool) {
        self.name = name
        self.hasDurableReplies = hasDurableReplies
    }

    /// Every other one has a quorum queue.
    package static func some(_ count: Int) -> [Customer] {
        (0..<count).map { Customer(name: "customer-\($0)", hasDurableReplies: $0 % 2 == 0) }
    }
}

extension JobSource.Kind {
    var wish: JobRecord.Wish {
        switch self {
        case .plain, .retried, .slow: .answer
        case .broken: .brokenAnswer
        case .invalid: .refusal
        }
    }

    /// What the simulated gateway is asked to do (`x_simulate`).
    func directive(using random: inout SeededGenerator) -> String? {
        let after = Int.random(in: 2...9, using: &random)
        switch self {
        case .plain, .invalid: return nil
        case .slow(let milliseconds): return "first-token:\(milliseconds)"
        case .retried:
            return [
                "refuse:429@1", "refuse:503@1", "refuse:503:1@1", "close:1011:0@1", "close:1012:0@1", "cut:0@1",
                "reset:0@1", "error:overloaded_error:0@1",
            ].randomElement(using: &random)
        case .broken:
            return [
                "close:1011:\(after)", "close:1000:\(after)", "cut:\(after)", "reset:\(after)",
                "error:server_error:\(after)", "garbage:\(after)",
            ].randomElement(using: &random)
        }
    }
}
