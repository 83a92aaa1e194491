internal import AMQP
internal import ChatModel
internal import Gateway
internal import Logging
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

    package let metrics = JobMetrics()
    private let configuration: JobRunnerConfiguration
    private let loops: [any EventLoop]
    let board: JobBoard
    let host: JobHost
    private let intake: JobIntake
    let webhooks: WebhookRunner
    private let endpoints: StreamFollower
    private let connections: ConnectionWatch
    private let consumer: ConsumerConnection
    private let drainEnd = DrainEnd()

    /// - Parameters:
    ///   - group: event loops for the gateways' sockets and all that happens to jobs.
    ///   - loggers: may be one for all.
    /// - Throws: where TLS material of a gateway or of the webhooks cannot be read.
    public init(configuration: JobRunnerConfiguration, group: any EventLoopGroup, loggers: WorkerLoggers) throws {
        self.configuration = configuration
        loops = Array(group.makeIterator())
        let timers = group.any()
        let connections = ConnectionWatch(publishers: configuration.publishers)
        let (lease, relay, metrics) = (DeliveryLease(), ConsumerRelay(), metrics)
        let (dead, user) = (configuration.plan.names.dead, configuration.broker.username)
        let shards = (0..<max(1, configuration.publishers)).map { index in
            PublisherShard(
                configuration: configuration.broker, topology: configuration.plan.topology,
                window: configuration.confirmWindow, observer: connections, lease: lease, metrics: metrics,
                bury: { Messages.dead($0, $1, queue: dead, user: user, now: WallClock.now()) },
                role: "publisher-\(index)", asksForAlarms: index == 0, logger: loggers.broker)
        }
        var gateways: [String: GatewayClient] = [:]
        for gateway in configuration.gateways {
            gateways[gateway.name] = try GatewayClient(configuration: gateway, logger: loggers.gateway)
        }
        let gates = RouteGates(
            limits: configuration.routeLimits, coolDowns: configuration.gatewayRules.mapValues(\.coolDown))
        board = JobBoard(
            concurrency: configuration.concurrency, fairness: configuration.fairness, gates: gates, timers: timers)
        let control = ControlDesk(
            configuration: configuration, timers: timers, logger: loggers.jobs,
            publish: { shards[0].publish($0) })
        let journal = JournalDesk(
            configuration: configuration, timers: timers, logger: loggers.jobs,
            publish: { shards[0].publish($0) })
        host = JobHost(
            configuration: configuration, shards: shards, gateways: gateways, board: board, gates: gates,
            control: control, journal: journal, lease: lease, metrics: metrics, logger: loggers.jobs,
            acknowledge: { relay.acknowledge($0) })
        self.connections = connections
        intake = JobIntake(host: host, board: board, loops: loops)
        endpoints = StreamFollower(
            queue: configuration.plan.names.endpoints, configuration: configuration, timers: timers,
            logger: loggers.webhooks,
            publish: { shards[0].publish($0) }, reread: { relay.rereadStreams() })
        webhooks = try WebhookRunner(host: host, endpointEvents: endpoints, logger: loggers.webhooks)
        let router = DeliveryRouter(
            intake: intake, webhooks: webhooks, endpoints: endpoints, connections: connections, host: host,
            brokerVersion: { relay.brokerVersion })
        consumer = ConsumerConnection(
            configuration: configuration.broker, topology: configuration.plan.topology,
            consumptions: Self.consumptions(configuration), delegate: router, lease: lease,
            maximumBodySize: max(configuration.rules.maximumBytes, 64 << 20),
            maximumHeldBytes: UInt64(max(0, configuration.maximumHeldBytes)), logger: loggers.broker)
        relay.attach(consumer)
        control.attach(intake.controlActions(synced: { connections.controlSynced() }, reread: relay.rereadStreams))
        journal.attach(intake.journalActions(synced: { connections.journalSynced() }, reread: relay.rereadStreams))
    }

    private static func consumptions(_ configuration: JobRunnerConfiguration) -> [Consumption] {
        let names = configuration.plan.names
        var consumptions: [Consumption] = []
        if configuration.roles.contains(.jobs) {
            let prefetch = UInt16(clamping: max(1, configuration.prefetch))
            let queues = configuration.takesPriorities ? [names.jobsHigh, names.jobs, names.jobsLow] : [names.jobs]
            consumptions += queues.map { Consumption(queue: $0, prefetch: prefetch) }
            consumptions += [
                // What workers of an earlier version have set apart is put back.
                Consumption(queue: names.suspect, prefetch: 1), Consumption(queue: names.failed, prefetch: 64),
            ]
        }
        if configuration.roles.contains(.webhooks) {
            let prefetch = UInt16(clamping: max(1, configuration.webhookPrefetch))
            consumptions += [
                Consumption(queue: names.webhooks, prefetch: prefetch),
                Consumption(queue: names.orderedWebhooks, prefetch: prefetch),
                Consumption(queue: names.suspectWebhooks, prefetch: 1),
            ]
        }
        return consumptions + [
            Consumption(queue: names.control, prefetch: 1_000, isStream: true),
            Consumption(queue: names.endpoints, prefetch: 1_000, isStream: true),
            Consumption(
                queue: names.journal, prefetch: 1_000, isStream: true,
                since: JournalDesk.start(configuration, now: WallClock.now())),
        ]
    }

    /// Connects, in its own time: `untilReady` tells when the worker can both take and publish.
    public func start() throws {
        for shard in host.shards { try shard.start() }
        for gateway in host.gateways.values { gateway.keepWarm(on: loops) }
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

    /// Tokens and money by model since the start.
    public var spending: [SpendTotals] { host.spending.all }

    /// Of the models with most attempts; last the sum of all others, if there are any.
    package func spending(most: Int) -> [SpendTotals] { host.spending.shown(most: most) }

    /// What the admin server tells besides.
    package var snapshot: Snapshot {
        let gateways = host.gateways.sorted { $0.key < $1.key }.map {
            Snapshot.Gateway(name: $0.key, metrics: $0.value.metrics)
        }
        return Snapshot(
            status: status, reasons: connections.reasons, lostConnections: connections.lostConnections,
            heldBytes: Int(clamping: consumer.heldBytes), mostHeldBytes: configuration.maximumHeldBytes,
            withoutRoom: consumer.messagesWithoutRoom,
            publishers: host.shards.map(\.reading), gateways: gateways, endpoints: webhooks.endpointStates)
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
        async let webhooksDrained: Void = whileDraining(until: deadline, more: .zero) { [webhooks] in
            await webhooks.drain(until: deadline)
        }
        let expiry = Task { [board, drainEnd] in
            await drainEnd.reached(by: deadline)
            guard !Task.isCancelled else { return }
            for job in board.all { job.loop.execute { job.drainExpired() } }
        }
        await finished(before: deadline)
        expiry.cancel()
        await expiry.value
        await webhooksDrained
        await whileDraining(until: deadline, more: Self.handBackTime) { [intake] in
            await intake.settled(before: deadline + Self.handBackTime)
        }
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

    /// Ends a drain before its time, or one that begins later: what still runs is handed back at once. Any thread.
    public func endDrain() { drainEnd.end() }

    /// Until every job has ended or was handed back.
    private func finished(before deadline: ContinuousClock.Instant) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { [board] in await board.empty() }
            group.addTask { [drainEnd] in
                await drainEnd.reached(by: deadline)
                try? await Task.sleep(for: Self.handBackTime)
            }
            await group.next()
            group.cancelAll()
            board.giveUpWaiting()
        }
    }

    /// Runs `body`, which returns when it is cancelled, until `more` after the drain's end at the latest.
    private func whileDraining(
        until deadline: ContinuousClock.Instant, more: Duration, _ body: @escaping @Sendable () async -> Void
    ) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await body() }
            group.addTask { [drainEnd] in
                await drainEnd.reached(by: deadline)
                try? await Task.sleep(for: more)
            }
            await group.next()
            group.cancelAll()
        }
    }
}
