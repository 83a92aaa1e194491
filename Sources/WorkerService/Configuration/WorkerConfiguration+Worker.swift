public import JobRunner

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
        public var roles = WorkerRole.allCases
        /// Empty: host name and instance or process number.
        public var name = ""
        public var logLevel = LogLevel.info
        public var logFormat = LogFormat.auto
        public var logLevels = LogLevels()
        /// Of all jobs.
        public var debugSample = 0.0

        /// `[worker.log_levels]`: what is `nil` has `log_level`.
        public struct LogLevels: Sendable, Equatable {
            public var broker: LogLevel?
            public var gateway: LogLevel?
            public var jobs: LogLevel?
            public var webhooks: LogLevel?
            public var admin: LogLevel?

            public init() {}

            subscript(part: WorkerLoggers.Part) -> LogLevel? {
                switch part {
                case .broker: broker
                case .gateway: gateway
                case .jobs: jobs
                case .webhooks: webhooks
                case .admin: admin
                }
            }
        }

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
            "roles", \.roles, .list(of: .choice(), atLeast: 1),
            "What this worker does: run jobs, deliver webhooks, or both. Some worker has to do each."),
        .init(
            "name", \.name, .name(.label, mayBeEmpty: true),
            "This worker's name in logs and in RabbitMQ's UI; \"\" is the host's with instance or process number."),
        .init("log_level", \.logLevel, .choice(), "The least level that is logged."),
        .init(
            "log_format", \.logFormat, .choice(),
            "auto is text on a terminal, fields in systemd's journal, and JSON lines otherwise."),
        .init(
            "debug_sample", \.debugSample, .number(0...1, of: "share"),
            "The share of jobs whose steps are logged at debug level whatever log_level is; the same jobs on all workers."
        ),
    ]

    static let sections: [ConfigurationSection<Self>] = [
        .init(
            "log_levels", \.logLevels,
            "Levels of parts of the worker, in place of worker.log_level: loggers chat-worker.broker and so on.")
    ]
}

extension WorkerConfiguration.Worker.LogLevels: ConfigurationTable {
    static let keys: [ConfigurationKey<Self>] = [
        .init(optional: "broker", \.broker, .choice(), "Connections to RabbitMQ.", example: "\"debug\""),
        .init(optional: "gateway", \.gateway, .choice(), "Connections to gateways, keys.", example: "\"debug\""),
        .init(optional: "jobs", \.jobs, .choice(), "Jobs: debug tells each step.", example: "\"debug\""),
        .init(optional: "webhooks", \.webhooks, .choice(), "Webhook tries and endpoints.", example: "\"warning\""),
        .init(optional: "admin", \.admin, .choice(), "The admin server, the export of spans.", example: "\"warning\""),
    ]
}
