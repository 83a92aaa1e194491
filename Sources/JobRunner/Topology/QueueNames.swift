internal import Webhooks

/// The names on the broker: all share one prefix, so that two deployments fit on one virtual host.
public struct QueueNames: Sendable, Equatable {
    public var prefix: String

    public init(prefix: String = "chat") { self.prefix = prefix }

    /// Where backends publish jobs and cancels.
    public var intake: String { "\(prefix).in" }
    public var events: String { "\(prefix).events" }
    /// Direct exchange over which waiting queues dead-letter back to the queue that their messages came from.
    public var back: String { "\(prefix).back" }
    public var jobs: String { "\(prefix).jobs" }
    public var jobsHigh: String { "\(prefix).jobs.high" }
    public var jobsLow: String { "\(prefix).jobs.low" }
    public var suspect: String { "\(prefix).jobs.suspect" }
    public var failed: String { "\(prefix).jobs.failed" }
    public var webhooks: String { "\(prefix).webhooks" }
    /// Webhooks whose order counts: one worker at a time consumes it.
    public var orderedWebhooks: String { "\(prefix).webhooks.ordered" }
    /// Webhooks that may have killed workers, tried one at a time.
    public var suspectWebhooks: String { "\(prefix).webhooks.suspect" }
    public var dead: String { "\(prefix).dead" }
    public var control: String { "\(prefix).control" }
    public var journal: String { "\(prefix).journal" }
    /// The events of webhook endpoints once more, by themselves: what is read whole at each start must be short.
    public var endpoints: String { "\(prefix).endpoints" }

    /// The queues from which webhook tasks are taken.
    func holdsWebhooks(_ queue: String) -> Bool {
        queue == webhooks || queue == orderedWebhooks || queue == suspectWebhooks
    }

    func webhookQueue(_ ordering: WebhookOptions.Ordering) -> String {
        ordering == .none ? webhooks : orderedWebhooks
    }

    public func jobRetry(milliseconds: Int64) -> String { "\(jobs).retry.\(milliseconds)" }
    public func webhookRetry(milliseconds: Int64) -> String { "\(webhooks).retry.\(milliseconds)" }
    public func orderedRetry(milliseconds: Int64) -> String { "\(orderedWebhooks).retry.\(milliseconds)" }
}
