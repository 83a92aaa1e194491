extension WorkerConfiguration {
    /// `[limits]`
    public struct Limits: Sendable, Equatable {
        /// One job, from its first try to its end.
        public var totalTimeout: Duration = .seconds(900)
        /// How long a job may wait in this worker before it moves to a waiting queue.
        public var parkAfter: Duration = .seconds(300)
        /// From SIGTERM until what still runs is handed back.
        public var drainTimeout: Duration = .seconds(60)

        public init() {}
    }

    /// `[worker]`
    public struct Worker: Sendable, Equatable {
        public enum LogLevel: String, Sendable, CaseIterable {
            case trace, debug, info, notice, warning, error, critical
        }

        public enum LogFormat: String, Sendable, CaseIterable {
            /// Text on a terminal, JSON otherwise.
            case auto
            case text, json
        }

        /// 0: as many as the machine has cores.
        public var eventLoops = 0
        /// Empty: host name and instance or process number.
        public var name = ""
        public var logLevel = LogLevel.info
        public var logFormat = LogFormat.auto

        public init() {}
    }
}

extension WorkerConfiguration.Limits: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "total_timeout", \.totalTimeout, .duration(.seconds(1) ... .seconds(86_400)),
            "For one job, from its first try to its end; with park_after it must stay under broker.consumer_timeout."),
        .init(
            "park_after", \.parkAfter, .duration(.seconds(1) ... .seconds(86_400)),
            "A job that waits in this worker (for a place, a rate limit, its customer's cap) longer than this moves to a "
                + "waiting queue, and makes room for others."),
        .init(
            "drain_timeout", \.drainTimeout, .duration(.zero ... .seconds(3_600)),
            "After SIGTERM running jobs may finish for so long, then they are handed back. Under TimeoutStopSec."),
    ]
}

extension WorkerConfiguration.Worker: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(
            "event_loops", \.eventLoops, .integer(0...256, of: "threads"),
            "Threads for gateways and webhooks; 0 is one for each core."),
        .init(
            "name", \.name, .name(.label, mayBeEmpty: true),
            "This worker's name in logs and in RabbitMQ's UI; \"\" is the host's with instance or process number."),
        .init("log_level", \.logLevel, .choice(), "The least level that is logged."),
        .init("log_format", \.logFormat, .choice(), "auto is text on a terminal, and JSON lines otherwise."),
    ]
}
