public import AMQP
public import ChatModel
public import Gateway
public import Tracing
public import Webhooks

/// What a worker does: both, or one of them, so that the two scale apart.
public enum WorkerRole: String, Sendable, CaseIterable {
    case jobs
    case webhooks
}

/// All that the job runner is told at its start. Checked by whoever makes it.
public struct JobRunnerConfiguration: Sendable {
    public var broker: AMQPConfiguration
    public var plan: TopologyPlan
    public var rules: JobRules
    public var gateways: [GatewayConfiguration]
    /// By the gateway's name; those that are not here have the defaults.
    public var gatewayRules: [String: GatewayRules]
    public var webhooks: WebhookConfiguration
    /// Publish connections; streams are spread over them.
    public var publishers: Int
    /// Unconfirmed messages of one publish connection.
    public var confirmWindow: Int
    /// Jobs that run at once.
    public var concurrency: Int
    /// Unacknowledged jobs held by this worker, running ones included.
    public var prefetch: Int
    /// Also take jobs from the queues for high and low priority.
    public var takesPriorities: Bool
    /// Unacknowledged webhook tasks held by this worker.
    public var webhookPrefetch: Int
    /// Raw bytes of a stream that may wait for the broker before its socket stops being read.
    public var highWaterBytes: Int
    /// An answer over this many raw bytes is cut.
    public var maximumAnswerBytes: Int
    /// How customers' default reply queues are declared; `nil`: not by the worker.
    public var replyQueues: ReplyQueuePlan?
    /// How long a job may wait in this worker, for a place, a rate limit or a cap, before it moves to a waiting queue.
    public var parkAfter: Duration
    /// From the first try to the end of a job.
    public var totalTimeout: Duration
    /// How long running jobs may go on once the worker was told to stop.
    public var drainTimeout: Duration
    public var retry: RetryPolicy
    public var fairness: FairnessPolicy
    public var budgets: BudgetPolicy
    /// Whether a job ends whose reply queue is gone and which has no webhook.
    public var cancelsWhenUnread: Bool
    public var roles = Set(WorkerRole.allCases)
    /// Bytes of the bodies of all jobs and webhook tasks that this worker holds; what comes beyond goes back to its queue.
    public var maximumHeldBytes = 512 << 20
    /// The share of jobs whose steps are logged whatever the level is, 0 to 1.
    public var debugSample = 0.0
    /// Without one there are no spans, and trace contexts go through the worker as they came.
    public var tracer: (any Tracer)?

    public init(
        broker: AMQPConfiguration, plan: TopologyPlan, rules: JobRules, gateways: [GatewayConfiguration],
        gatewayRules: [String: GatewayRules] = [:], webhooks: WebhookConfiguration, publishers: Int = 1,
        confirmWindow: Int = 256, concurrency: Int = 1_000,
        prefetch: Int = 2_000, takesPriorities: Bool = true,
        webhookPrefetch: Int = 256, highWaterBytes: Int = 256 << 10,
        maximumAnswerBytes: Int = 4 << 20, replyQueues: ReplyQueuePlan? = nil, parkAfter: Duration = .seconds(300),
        totalTimeout: Duration = .seconds(900),
        drainTimeout: Duration = .seconds(60), retry: RetryPolicy = RetryPolicy(),
        fairness: FairnessPolicy = FairnessPolicy(), budgets: BudgetPolicy = BudgetPolicy(),
        cancelsWhenUnread: Bool = false
    ) {
        self.broker = broker
        self.plan = plan
        self.rules = rules
        self.gateways = gateways
        self.gatewayRules = gatewayRules
        self.webhooks = webhooks
        self.publishers = publishers
        self.confirmWindow = confirmWindow
        self.concurrency = concurrency
        self.prefetch = prefetch
        self.takesPriorities = takesPriorities
        self.webhookPrefetch = webhookPrefetch
        self.highWaterBytes = highWaterBytes
        self.maximumAnswerBytes = maximumAnswerBytes
        self.replyQueues = replyQueues
        self.parkAfter = parkAfter
        self.totalTimeout = totalTimeout
        self.drainTimeout = drainTimeout
        self.retry = retry
        self.fairness = fairness
        self.budgets = budgets
        self.cancelsWhenUnread = cancelsWhenUnread
    }
}

extension JobRunnerConfiguration {
    /// How many requests may be under way, where that is limited.
    var routeLimits: RouteGates.Limits {
        var limits = RouteGates.Limits()
        for route in rules.models.values {
            let key = RouteKey(route)
            // Two names of one model share the smaller limit.
            if let most = route.maximumInFlight { limits.models[key] = min(most, limits.models[key] ?? most) }
        }
        for (name, rules) in gatewayRules { limits.gateways[name] = rules.maximumInFlight }
        return limits
    }
}
