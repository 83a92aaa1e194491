internal import AMQP
internal import ChatModel
internal import Logging
internal import Synchronization
internal import Webhooks

/// This worker's knowledge of endpoints, read back from their stream, and its own words about them. Any thread.
final class EndpointDesk: StreamReader {
    private let ledger = Mutex(EndpointLedger())
    private let exchange: String
    private let user: String
    private let worker: String
    /// Half of the time for which that stream keeps an event.
    private let agingTime: Duration?
    private let publishing: @Sendable (DurableMessage) -> Void
    private let logger: Logger

    init(
        configuration: JobRunnerConfiguration, logger: Logger,
        publish: @escaping @Sendable (DurableMessage) -> Void
    ) {
        exchange = configuration.plan.names.events
        user = configuration.broker.username
        worker = configuration.broker.connectionName
        agingTime = configuration.plan.journalAge.map { $0 / 2 }
        publishing = publish
        self.logger = logger
    }

    var states: [EndpointLedger.State] { ledger.withLock { $0.states } }

    func isDisabled(_ endpoint: EndpointID) -> Bool { ledger.withLock { $0.isDisabled(endpoint) } }

    /// It said that it wants nothing more.
    /// - Parameter settled: called when every worker that comes will know it.
    func gone(_ endpoint: EndpointID, settled: @escaping @Sendable (DurableMessage.Settlement) -> Void) {
        logger.error("webhook endpoint disabled: it answered 410", metadata: [LogKey.endpoint: "\(endpoint)"])
        say(
            EndpointEvent(endpoint: endpoint, state: .disabled, time: WallClock.now(), reason: .gone), settled: settled)
    }

    func breaker(of endpoint: EndpointID, is state: CircuitBreaker.State) {
        guard state != .halfOpen else { return }
        logger.warning(
            state == .open ? "webhook endpoint's breaker opened" : "webhook endpoint's breaker closed",
            metadata: [LogKey.endpoint: "\(endpoint)"])
        say(
            EndpointEvent(
                endpoint: endpoint, state: state == .open ? .open : .closed, time: WallClock.now(), worker: worker))
    }

    private func say(
        _ event: EndpointEvent, settled: @escaping @Sendable (DurableMessage.Settlement) -> Void = { _ in }
    ) {
        ledger.withLock { $0.note(event) }
        let template = try? PublishTemplate(
            exchange: exchange, routingKey: event.routingKey, properties: event.properties(user: user))
        guard let template else { return settled(.confirmed) }
        publishing(DurableMessage(template: template, body: event.body, routing: .ignored, settled: settled))
    }

    // MARK: StreamReader

    func read(_ entry: StreamEntry) {
        guard let event = EndpointEvent(routingKey: entry.routingKey, body: entry.body) else { return }
        ledger.withLock { $0.note(event) }
    }

    /// What is about to be forgotten is written once more, with the time that it had: a newer word still counts.
    func isCurrent() {
        ledger.withLock { $0.prune(now: WallClock.now()) }
        guard let agingTime else { return }
        let limit = Timestamp(milliseconds: WallClock.now().milliseconds - agingTime.milliseconds)
        for event in ledger.withLock({ $0.aging(before: limit) }) { say(event) }
    }
}
