internal import AMQP
internal import ChatModel
internal import Gateway
internal import Logging
internal import NIOCore
internal import Synchronization
internal import Webhooks

/// What a running job needs of its surroundings. Shared by all jobs; any thread.
final class JobHost: Sendable {
    /// As the worker was started; `settings` is what may change since.
    let configuration: JobRunnerConfiguration
    let shards: [PublisherShard]
    let gateways: [String: GatewayClient]
    let logger: Logger
    let counters = JobCounters()
    let metrics: JobMetrics
    /// The worker's own login, under which it republishes.
    let user: String
    /// What this worker is called in events.
    let worker: String
    /// By what the other workers know this process; another one after each start.
    let instance: String
    let board: JobBoard
    let suspects = SuspectLine()
    let gates: RouteGates
    let control: ControlDesk
    let journal: JournalDesk
    let spending = SpendMeter()
    /// Whether what the broker has delivered is still this worker's.
    let lease: DeliveryLease
    /// Where jobs are cancelled whose replies nobody can read.
    let readers: ReplyReaders?
    private let currentSettings: Mutex<JobSettings>
    private let jobRetry: RetryTiers
    private let nextStream = Atomic<UInt64>(1)
    private let acknowledging: @Sendable (DeliveryTag) -> Void

    init(
        configuration: JobRunnerConfiguration, shards: [PublisherShard], gateways: [String: GatewayClient],
        board: JobBoard, gates: RouteGates, control: ControlDesk, journal: JournalDesk, lease: DeliveryLease,
        metrics: JobMetrics, logger: Logger,
        acknowledge: @escaping @Sendable (DeliveryTag) -> Void
    ) {
        self.configuration = configuration
        self.shards = shards
        self.gateways = gateways
        self.board = board
        self.gates = gates
        self.control = control
        self.journal = journal
        self.lease = lease
        self.metrics = metrics
        self.logger = logger
        user = configuration.broker.username
        worker = configuration.broker.connectionName
        instance = journal.instance
        readers = configuration.cancelsWhenUnread ? ReplyReaders(broker: configuration.broker) : nil
        currentSettings = Mutex(JobSettings(configuration))
        jobRetry = RetryTiers(configuration.plan.jobRetryTiers.map { .milliseconds($0) })
        acknowledging = acknowledge
    }

    /// For a job that begins, or a webhook that is made: as they were loaded last.
    var settings: JobSettings { currentSettings.withLock { $0 } }
    func replaceSettings(_ settings: JobSettings) { currentSettings.withLock { $0 = settings } }

    var names: QueueNames { configuration.plan.names }

    /// How long a job is away that could not begin here for long: others have their turn meanwhile.
    static let parkedWait = Duration.seconds(30)

    /// The queue in which to wait next for so long, which `parked` then says; `nil` where nothing is left to wait.
    func waitingQueue(for wait: Duration, _ parked: inout ParkedState) -> String? {
        guard let tier = jobRetry.tier(forRemaining: wait) else { return nil }
        parked.wait(wait, in: tier)
        return names.jobRetry(milliseconds: tier.milliseconds)
    }

    /// Which of the three levels a job belongs to: 0 is served first.
    func priority(of delivery: Delivery) -> Int {
        switch ParkedState.origin(of: delivery, workerUser: user) ?? delivery.queue {
        case names.jobsHigh: 0
        case names.jobsLow: 2
        default: 1
        }
    }

    func acknowledge(_ tag: DeliveryTag) { acknowledging(tag) }

    /// All that was to be done with a delivery is confirmed: it is acked, and remembered in case the ack is lost.
    func seenThrough(_ tag: DeliveryTag, _ job: (key: JobKey, finished: FinishedDelivery)) {
        if lease.isOver(for: tag.generation) {
            control.announceFinished(job.key, job.finished)
        } else {
            control.finished(job.key, job.finished)
        }
        acknowledge(tag)
    }

    func makeStreamIdentifier() -> UInt64 {
        nextStream.wrappingAdd(1, ordering: .relaxed).oldValue & ~ShardFeed.messageBit
    }

    /// The shard of a job: the same for all messages of one job in this process.
    func shard(for key: JobKey) -> PublisherShard {
        shards[Int(UInt(bitPattern: key.hashValue) % UInt(shards.count))]
    }

    /// Milliseconds since 1970.
    func wallClock() -> Timestamp { WallClock.now() }
}

/// Live counts, for the status line and tests. Any thread.
final class JobCounters: Sendable {
    let running = Atomic<Int>(0)
    let completed = Atomic<Int>(0)
    let failed = Atomic<Int>(0)
    let invalid = Atomic<Int>(0)
    let handedBack = Atomic<Int>(0)
    let adopted = Atomic<Int>(0)
    let cancelled = Atomic<Int>(0)
    /// Jobs moved to a waiting queue.
    let parked = Atomic<Int>(0)
    /// Times that a gateway asked for fewer requests.
    let rateLimited = Atomic<Int>(0)
}
