internal import AMQP
internal import ChatModel
internal import Gateway
public import Logging
public import NIOCore
internal import Synchronization
internal import Webhooks

/// Takes jobs and webhook tasks from the broker and sees them through: the heart of the worker. Owns the broker
/// connections and the gateways; is told from outside when to start and when to stop.
public final class JobRunner: Sendable {
    /// What an operator sees at a glance.
    public struct Status: Sendable, Equatable {
        public var isConsuming: Bool
        public var openPublishers: Int
        public var isBlocked: Bool
        public var running: Int
        public var waiting: Int
        public var completed: Int
        public var failed: Int
        public var cancelled: Int
        /// Times that a job was moved to a waiting queue.
        public var parked: Int
        /// Times that a gateway asked for fewer requests.
        public var rateLimited: Int
        public var invalid: Int
        public var webhooksDelivered: Int
        public var webhooksPending: Int
    }

    private let configuration: JobRunnerConfiguration
    private let loops: [any EventLoop]
    private let logger: Logger
    private let board: JobBoard
    private let host: JobHost
    private let intake: JobIntake
    private let webhooks: WebhookRunner
    private let connections: ConnectionWatch
    private let consumer: ConsumerConnection

    /// - Parameter group: event loops for the gateways' sockets and all that happens to jobs.
    /// - Throws: where TLS material of a gateway or of the webhooks cannot be read.
    public init(configuration: JobRunnerConfiguration, group: any EventLoopGroup, logger: Logger) throws {
        self.configuration = configuration
        self.logger = logger
        loops = Array(group.makeIterator())
        let timers = group.any()
        let connections = ConnectionWatch(publishers: configuration.publishers)
        let (lease, relay) = (DeliveryLease(), ConsumerRelay())
        let shards = (0..<max(1, configuration.publishers)).map { index in
            PublisherShard(
                configuration: configuration.broker, window: configuration.confirmWindow, observer: connections,
                lease: lease, role: "publisher-\(index)", logger: logger)
        }
        var gateways: [String: GatewayClient] = [:]
        for gateway in configuration.gateways {
            gateways[gateway.name] = try GatewayClient(configuration: gateway, logger: logger)
        }
        let gates = RateGates()
        board = JobBoard(
            concurrency: configuration.concurrency, fairness: configuration.fairness, gates: gates, timers: timers)
        let control = ControlDesk(
            configuration: configuration, timers: timers, logger: logger,
            acknowledge: { relay.acknowledge($0) }, publish: { shards[0].publish($0) })
        host = JobHost(
            configuration: configuration, shards: shards, gateways: gateways, board: board, gates: gates,
            control: control, lease: lease, logger: logger, acknowledge: { relay.acknowledge($0) })
        self.connections = connections
        intake = JobIntake(host: host, board: board, loops: loops)
        webhooks = try WebhookRunner(host: host, logger: logger)
        let router = DeliveryRouter(intake: intake, webhooks: webhooks, connections: connections, host: host)
        consumer = ConsumerConnection(
            configuration: configuration.broker, topology: configuration.plan.topology,
            consumptions: Self.consumptions(configuration), delegate: router, lease: lease,
            maximumBodySize: max(configuration.rules.maximumBytes, 64 << 20), logger: logger)
        relay.attach(consumer)
        control.attach(intake.controlActions(synced: { connections.controlSynced() }, reread: relay.rereadStreams))
    }

    private static func consumptions(_ configuration: JobRunnerConfiguration) -> [Consumption] {
        let names = configuration.plan.names
        let prefetch = UInt16(clamping: max(1, configuration.prefetch))
        let queues = configuration.takesPriorities ? [names.jobsHigh, names.jobs, names.jobsLow] : [names.jobs]
        return queues.map { Consumption(queue: $0, prefetch: prefetch) } + [
            // One at a time: only a job that is tried alone can be blamed for a crash.
            Consumption(queue: names.suspect, prefetch: 1), Consumption(queue: names.failed, prefetch: 64),
            Consumption(queue: names.webhooks, prefetch: UInt16(clamping: max(1, configuration.webhookPrefetch))),
            Consumption(queue: names.control, prefetch: 1_000, isStream: true),
        ]
    }

    /// Connects, in its own time: `untilReady` tells when the worker can both take and publish.
    public func start() throws {
        for shard in host.shards { try shard.start() }
        try consumer.start()
    }

    /// Returns when the worker consumes and every publish connection is open.
    public func untilReady() async { await connections.untilReady() }

    public var status: Status {
        let counts = board.counts
        let counters = host.counters
        return Status(
            isConsuming: connections.isConsuming, openPublishers: connections.openPublishers,
            isBlocked: connections.isBlocked, running: counts.running, waiting: counts.waiting,
            completed: counters.completed.load(ordering: .relaxed), failed: counters.failed.load(ordering: .relaxed),
            cancelled: counters.cancelled.load(ordering: .relaxed), parked: counters.parked.load(ordering: .relaxed),
            rateLimited: counters.rateLimited.load(ordering: .relaxed),
            invalid: counters.invalid.load(ordering: .relaxed), webhooksDelivered: webhooks.delivered,
            webhooksPending: webhooks.pending)
    }

    /// Whether the thread of a broker connection has not turned for so long, and for longer than the library may take
    /// for one call. Any thread; for a watchdog.
    public func hasStuckThread(after limit: Duration) -> Bool {
        let limit = max(limit, configuration.broker.timeout * 3)
        return consumer.isStuck(longerThan: limit) || host.shards.contains { $0.isStuck(longerThan: limit) }
    }

    /// Longest time that `stop` takes: the drain, then handing back and closing.
    public var longestStop: Duration {
        configuration.drainTimeout + Self.handBackTime * 3 + configuration.broker.timeout
    }

    /// Stops without loss: takes nothing new, lets running jobs finish within the drain timeout, hands back the rest,
    /// waits for confirms, acks, closes.
    public func stop() async {
        let deadline = ContinuousClock.now + configuration.drainTimeout
        await consumer.stopConsuming()
        for job in board.drain() { job.loop.execute { job.drainBegan() } }
        async let webhooksDrained: Void = webhooks.drain(until: deadline)
        let expiry = Task { [board] in
            try await Task.sleep(until: deadline, clock: .continuous)
            for job in board.all { job.loop.execute { job.drainExpired() } }
        }
        await finished(before: deadline + Self.handBackTime)
        expiry.cancel()
        await webhooksDrained
        await intake.settled(before: deadline + Self.handBackTime)
        await withTaskGroup(of: Void.self) { group in
            for shard in host.shards { group.addTask { await shard.close(deadline: Self.handBackTime) } }
        }
        await consumer.close()
        for gateway in host.gateways.values { await gateway.shutdown() }
        await webhooks.shutdown()
        await intake.shutdown()
        await host.readers?.shutdown()
    }

    /// Handing jobs back takes a publish and its confirm; with the broker down it is not worth longer: what is not
    /// acked comes back by itself.
    private static let handBackTime = Duration.seconds(5)

    private func finished(before deadline: ContinuousClock.Instant) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [board] in await board.empty() }
            group.addTask { try? await Task.sleep(until: deadline, clock: .continuous) }
            await group.next()
            group.cancelAll()
            board.giveUpWaiting()
        }
    }
}
