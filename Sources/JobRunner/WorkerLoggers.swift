public import Logging

/// One logger for each part of the worker, so that each can have a level of its own.
public struct WorkerLoggers: Sendable {
    /// The names of the parts, as the configuration has them.
    public enum Part: String, Sendable, CaseIterable {
        case broker, gateway, jobs, webhooks, admin

        public var label: String { "chat-worker.\(rawValue)" }
    }

    public var broker: Logger
    public var gateway: Logger
    public var jobs: Logger
    public var webhooks: Logger
    public var admin: Logger

    public init(make: (Part) -> Logger) {
        broker = make(.broker)
        gateway = make(.gateway)
        jobs = make(.jobs)
        webhooks = make(.webhooks)
        admin = make(.admin)
    }
}
