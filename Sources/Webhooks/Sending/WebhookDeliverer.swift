public import Logging

/// Makes tries for the tasks of the queue: a bounded number at once, a lane for each endpoint, each try with its decision
/// and one log line. What is to happen with the task is the caller's to do and the broker's to remember.
public final class WebhookDeliverer: Sendable {
    public struct Result: Sendable, Equatable {
        public let decision: WebhookDelivery.Decision
        public let outcome: WebhookOutcome
        /// Milliseconds since 1970 at the end of the try.
        public let time: Int64
        /// The state of the endpoint's breaker, where this try has changed it.
        public var breaker: CircuitBreaker.State?

        /// What is to be kept of the try.
        public var record: TryRecord { TryRecord(outcome, time: time) }
    }

    public let sender: WebhookSender
    private let gate: EndpointGate
    private let logger: Logger
    private let random: @Sendable () -> Double

    /// - Parameter random: 0 to 1, for the jitter of the waits.
    public init(
        sender: WebhookSender, logger: Logger,
        random: @escaping @Sendable () -> Double = { Double.random(in: 0...1) }
    ) {
        self.sender = sender
        self.gate = EndpointGate(
            policy: sender.policy.configuration.lanes, slowAfter: sender.policy.configuration.slowAfter,
            timers: sender.timers)
        self.logger = logger
        self.random = random
    }

    /// Waits for its endpoint's turn, then makes one try. The task's own `notBefore` is the caller's business. Where the
    /// endpoint has no room for it, or its breaker is open, the decision is `postpone` and no try is spent; where the
    /// deliverer is shut down, or the caller's task is cancelled, it is `handBack`.
    public func submit(_ task: WebhookTask) async -> Result {
        // To its end: the lanes' timers need the sender's event loops.
        guard self.sender.gate.enter() else { return self.untried(.handBack) }
        defer { self.sender.gate.leave() }
        let ticket: UInt64
        switch await self.gate.enter(task.endpoint) {
        case .granted(let granted): ticket = granted
        case .away(let wait):
            return self.untried(
                WebhookDelivery.postpone(
                    task, for: wait, configuration: self.configuration, now: self.sender.now, random: self.random()))
        case .refused: return self.untried(.handBack)
        }
        let outcome = await self.sender.post(task)
        let now = self.sender.now
        let decision = WebhookDelivery.decide(
            outcome: outcome, task: task, configuration: self.configuration, now: now, random: self.random())
        self.log(task, outcome, decision)
        let change = self.gate.leave(ticket, outcome.verdict)
        return Result(decision: decision, outcome: outcome, time: now, breaker: change)
    }

    private var configuration: WebhookConfiguration { self.sender.policy.configuration }

    private func untried(_ decision: WebhookDelivery.Decision) -> Result {
        Result(decision: decision, outcome: WebhookOutcome(kind: .abandoned), time: self.sender.now)
    }

    /// Those that wait are handed back at once, those under way are cut; returns when all connections are closed.
    public func shutdown() async {
        self.gate.close()
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
        if outcome.kind.isProxys {
            // The operator's matter, whatever becomes of the task.
            self.logger.error("webhook not sent: the proxy failed", metadata: metadata)
            guard case .dead = decision else { return }
        }
        switch decision {
        case .delivered:
            self.logger.info("webhook delivered", metadata: metadata)
        case .retry(let wait):
            metadata["retry_after_ms"] = "\(wait.wholeMilliseconds)"
            self.logger.warning("webhook failed", metadata: metadata)
        case .dead(let reason):
            metadata["webhook.dead_reason"] = "\(reason.rawValue)"
            self.logger.error("webhook given up", metadata: metadata)
        case .handBack, .postpone:
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
