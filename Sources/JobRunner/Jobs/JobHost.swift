internal import AMQP
internal import ChatModel
internal import Gateway
internal import Logging
internal import NIOCore
internal import Synchronization
internal import Webhooks

/// What a running job needs of its surroundings. Shared by all jobs; any thread.
final class JobHost: Sendable {
    let configuration: JobRunnerConfiguration
    let shards: [PublisherShard]
    let gateways: [String: GatewayClient]
    let logger: Logger
    let counters = JobCounters()
    /// The worker's own login, under which it republishes.
    let user: String
    private let nextStream = Atomic<UInt64>(1)
    private let acknowledging: @Sendable (DeliveryTag) -> Void

    init(
        configuration: JobRunnerConfiguration, shards: [PublisherShard], gateways: [String: GatewayClient],
        logger: Logger, acknowledge: @escaping @Sendable (DeliveryTag) -> Void
    ) {
        self.configuration = configuration
        self.shards = shards
        self.gateways = gateways
        self.logger = logger
        user = configuration.broker.username
        acknowledging = acknowledge
    }

    var names: QueueNames { configuration.plan.names }

    func acknowledge(_ tag: DeliveryTag) { acknowledging(tag) }

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
}
