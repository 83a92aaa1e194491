import Foundation
import Logging
import Synchronization
import TestSupport

@testable import AMQP

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// Writes down what a consumer connection tells, and settles deliveries where asked.
final class ConsumerRecorder: ConsumerDelegate {
    enum Event: Sendable {
        case opened(UInt64)
        case received(Delivery)
        case lost(UInt64, AMQPError)
        case silent(UInt64)
        case heard(UInt64)
        case failed(AMQPError)
        case former([String])
    }

    let log = EventLog<Event>()

    func consumerFound(formerQueues: [String], brokerVersion: BrokerVersion?) { log.append(.former(formerQueues)) }
    func consumerOpened(generation: UInt64) { log.append(.opened(generation)) }
    func consumerReceived(_ delivery: Delivery) { log.append(.received(delivery)) }
    func consumerLost(generation: UInt64, error: AMQPError) { log.append(.lost(generation, error)) }
    func consumerSilent(generation: UInt64) { log.append(.silent(generation)) }
    func consumerHeard(generation: UInt64) { log.append(.heard(generation)) }
    func consumerFailed(error: AMQPError, retryingAfter delay: Duration) { log.append(.failed(error)) }

    var deliveries: [Delivery] {
        log.events.compactMap { if case .received(let delivery) = $0 { delivery } else { nil } }
    }

    func opened(_ generation: UInt64, timeout: Duration = .seconds(20)) async throws {
        _ = try await log.first("opening \(generation)", timeout: timeout) { event in
            if case .opened(generation) = event { true } else { nil }
        }
    }

    func deliveries(_ count: Int) async throws -> [Delivery] {
        try await log.wait("delivery \(count)") { events in
            events.count { if case .received = $0 { true } else { false } } >= count
        }
        return deliveries
    }

    func lost(timeout: Duration = .seconds(20)) async throws -> AMQPError {
        try await log.first("loss", timeout: timeout) { event in
            if case .lost(_, let error) = event { error } else { nil }
        }
    }

    func failed() async throws -> AMQPError {
        try await log.first("failure") { event in if case .failed(let error) = event { error } else { nil } }
    }
}

/// Publishes what a test gives it, and writes down what a publish connection tells.
final class PublisherRecorder: PublisherDriver {
    enum Event: Sendable, Equatable {
        case opened(UInt64)
        case confirmed(UInt64)
        case rejected(UInt64)
        case returned(UInt64, Int)
        case blocked(Bool)
        case lost(AMQPError, [UInt64])
        case failed(AMQPError)
    }

    struct Message: Sendable {
        var template: PublishTemplate
        var body: [UInt8]
        var token: UInt64
        var notify = true
        var mandatory = false
    }

    let log = EventLog<Event>()
    let awaitsConfirms: Bool
    private let waiting = Mutex<ArraySlice<Message>>([])

    init(awaitsConfirms: Bool = true) { self.awaitsConfirms = awaitsConfirms }

    func offer(_ messages: [Message]) { waiting.withLock { $0.append(contentsOf: messages) } }

    var isEmpty: Bool { waiting.withLock(\.isEmpty) }

    /// Those that published.
    let threads = Mutex<Set<pthread_t>>([])

    func publisherReady(_ channel: borrowing PublishChannel) {
        threads.withLock { _ = $0.insert(pthread_self()) }
        var batch: [Message] = []
        waiting.withLock { messages in
            let count = min(channel.capacity, messages.count)
            batch = Array(messages.prefix(count))
            messages = messages.dropFirst(count)
        }
        for (index, message) in batch.enumerated() {
            guard channel.capacity > 0 else {
                waiting.withLock { $0.insert(contentsOf: batch[index...], at: $0.startIndex) }
                return
            }
            message.body.withUnsafeBytes { (bytes) -> Void in
                channel.publish(
                    message.template, body: bytes, token: message.token, notify: message.notify,
                    mandatory: message.mandatory)
            }
        }
    }

    func publisherOpened(generation: UInt64) { log.append(.opened(generation)) }
    func publisherConfirmed(_ token: UInt64) { log.append(.confirmed(token)) }
    func publisherRejected(_ token: UInt64) { log.append(.rejected(token)) }
    func publisherReturned(_ token: UInt64, replyCode: Int, replyText: String) {
        log.append(.returned(token, replyCode))
    }
    func publisherBlocked(_ isBlocked: Bool, reason: String) { log.append(.blocked(isBlocked)) }
    func publisherLost(error: AMQPError, unconfirmed: [UInt64]) { log.append(.lost(error, unconfirmed)) }
    func publisherFailed(error: AMQPError, retryingAfter delay: Duration) { log.append(.failed(error)) }

    func saw(_ event: Event, timeout: Duration = .seconds(20)) async throws {
        try await log.wait("\(event)", timeout: timeout) { $0.contains(event) }
    }

    func lost(timeout: Duration = .seconds(20)) async throws -> (AMQPError, [UInt64]) {
        try await log.first("loss", timeout: timeout) { event in
            if case .lost(let error, let tokens) = event { (error, tokens) } else { nil }
        }
    }

    func failed() async throws -> AMQPError {
        try await log.first("failure") { event in if case .failed(let error) = event { error } else { nil } }
    }
}

/// What most broker tests need: a session to arrange and look, and connections that are closed at the end.
struct Fixture {
    var configuration: AMQPConfiguration
    let session: AMQPSession

    init(_ broker: TestBroker) throws {
        var configuration = try AMQPConfiguration(url: broker.url)
        configuration.reconnectMost = .milliseconds(500)
        configuration.connectionName = "test"
        self.configuration = configuration
        session = try AMQPSession(configuration: configuration)
    }

    func consumer(
        _ consumptions: [Consumption], topology: Topology = Topology(), maximumBodySize: Int = 1 << 20,
        maximumHeldBytes: UInt64 = .max
    ) throws -> (ConsumerConnection, ConsumerRecorder) {
        let recorder = ConsumerRecorder()
        let connection = ConsumerConnection(
            configuration: configuration, topology: topology, consumptions: consumptions, delegate: recorder,
            maximumBodySize: maximumBodySize, maximumHeldBytes: maximumHeldBytes, logger: quiet)
        try connection.start()
        return (connection, recorder)
    }

    func publisher(
        window: Int = 1000, awaitsConfirms: Bool = true
    ) throws -> (PublisherConnection, PublisherRecorder) {
        let recorder = PublisherRecorder(awaitsConfirms: awaitsConfirms)
        let connection = PublisherConnection(
            configuration: configuration, window: window, driver: recorder, logger: quiet)
        try connection.start()
        return (connection, recorder)
    }
}

func template(
    exchange: String = "", _ routingKey: String, isPersistent: Bool = false, messageID: String? = nil
) throws -> PublishTemplate {
    try PublishTemplate(
        exchange: exchange, routingKey: routingKey,
        properties: MessageProperties(isPersistent: isPersistent, messageID: messageID ?? "id-"),
        integerHeaders: ["x-seq"], numbersMessageID: messageID == nil)
}
