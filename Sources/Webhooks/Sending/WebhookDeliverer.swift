public import Logging

/// Makes tries for the tasks of the queue: a bounded number at once, first come first served, each with its decision and
/// one log line. Keeps nothing: what is to happen with the task is the caller's to do and the broker's to remember.
public final class WebhookDeliverer: Sendable {
    public struct Result: Sendable, Equatable {
        public let decision: WebhookDelivery.Decision
        public let outcome: WebhookOutcome
    }

    public let sender: WebhookSender
    private let slots: PostSlots
    private let logger: Logger
    private let random: @Sendable () -> Double

    /// - Parameter random: 0 to 1, for the jitter of the waits.
    public init(
        sender: WebhookSender, logger: Logger,
        random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }
    ) {
        self.sender = sender
        self.slots = PostSlots(limit: sender.policy.configuration.concurrency)
        self.logger = logger
        self.random = random
    }

    /// Waits for a free slot, then makes one try. The task's own `notBefore` is the caller's business. Where the
    /// deliverer is shut down, or the caller's task is cancelled, the decision is `handBack`.
    public func submit(_ task: WebhookTask) async -> Result {
        guard await self.slots.enter() else {
            return Result(decision: .handBack, outcome: WebhookOutcome(kind: .abandoned))
        }
        defer { self.slots.leave() }
        let outcome = await self.sender.post(task)
        let decision = WebhookDelivery.decide(
            outcome: outcome, task: task, configuration: self.sender.policy.configuration, random: self.random())
        self.log(task, outcome, decision)
        return Result(decision: decision, outcome: outcome)
    }

    /// Those that wait are handed back at once, those under way are cut; returns when all connections are closed.
    public func shutdown() async {
        self.slots.close()
        await self.sender.shutdown()
    }

    /// The canonical line of a try. Of the URL only the origin: paths and queries hold customers' tokens.
    private func log(_ task: WebhookTask, _ outcome: WebhookOutcome, _ decision: WebhookDelivery.Decision) {
        var metadata: Logger.Metadata = [
            "webhook.id": "\(task.id)",
            "job.id": "\(task.job)",
            "customer": "\(task.customer)",
            "attempt": "\(task.attempt)",
            "webhook.endpoint": "\(Self.endpoint(task.target))",
            "webhook.try": "\(task.tries + 1)",
            "webhook.outcome": "\(outcome.kind.name)",
            "latency_ms": "\(outcome.latency.wholeMilliseconds)",
        ]
        if let status = outcome.status { metadata["http.status"] = "\(status)" }
        if !outcome.detail.isEmpty { metadata["error"] = "\(outcome.detail)" }
        switch decision {
        case .delivered:
            self.logger.info("webhook delivered", metadata: metadata)
        case .retry(let wait):
            metadata["retry_after_ms"] = "\(wait.wholeMilliseconds)"
            self.logger.warning("webhook failed", metadata: metadata)
        case .dead(let reason):
            metadata["webhook.dead_reason"] = "\(reason.rawValue)"
            self.logger.error("webhook given up", metadata: metadata)
        case .handBack:
            self.logger.info("webhook handed back", metadata: metadata)
        }
    }

    private static func endpoint(_ target: WebhookTarget) -> String {
        switch target {
        case .endpoint(let name): name
        case .url(let text): (try? WebhookURL(parsing: text))?.origin ?? "invalid"
        }
    }
}
