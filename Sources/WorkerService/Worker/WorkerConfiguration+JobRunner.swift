import ChatModel
public import JobRunner
import Webhooks

extension WorkerConfiguration {
    /// What the job runner is told. Reads the secrets.
    public func jobRunnerConfiguration(
        in environment: ConfigurationEnvironment = .process()
    ) throws(ConfigurationErrors) -> JobRunnerConfiguration {
        let webhooks = try webhookConfiguration(in: environment)
        let policy = WebhookPolicy(configuration: webhooks)
        var rules = jobRules
        rules.webhookProblem = { webhook, customer in
            do throws(WebhookError) {
                _ = try policy.resolve(try WebhookTarget(parsing: webhook), customer: customer)
                return nil
            } catch {
                return "\(error)"
            }
        }
        var runner = JobRunnerConfiguration(
            broker: try amqpConfiguration(in: environment), plan: topologyPlan, rules: rules,
            gateways: Array(try gatewayConfigurations(in: environment).values), gatewayRules: gatewayRules,
            webhooks: webhooks,
            publishers: broker.publishers, confirmWindow: broker.confirmWindow, concurrency: jobs.concurrency,
            prefetch: Int(jobs.prefetch), takesPriorities: jobs.hasPriorityQueues,
            webhookPrefetch: self.webhooks.prefetch,
            highWaterBytes: replies.highWaterBytes, maximumAnswerBytes: replies.maximumAnswerBytes,
            replyQueues: replyQueuePlan, parkAfter: limits.parkAfter, totalTimeout: limits.totalTimeout,
            drainTimeout: limits.drainTimeout, retry: retryPolicy, fairness: fairnessPolicy, budgets: budgetPolicy,
            cancelsWhenUnread: replies.cancelsWhenUnread)
        runner.roles = Set(worker.roles)
        runner.maximumHeldBytes = jobs.maximumHeldBytes
        runner.debugSample = worker.debugSample
        return runner
    }

    /// Everything that the worker declares on the broker.
    public var topologyPlan: TopologyPlan {
        let tiers = broker.retryTiers.map(\.wholeMilliseconds)
        return TopologyPlan(
            names: QueueNames(prefix: broker.prefix), deliveryLimit: jobs.deliveryLimit,
            jobRetryTiers: tiers, webhookRetryTiers: tiers,
            controlMaximumAge: "\(broker.controlMaximumAge.components.seconds)s",
            journalMaximumAge: "\(broker.journalMaximumAge.components.seconds)s", replyExchange: replies.exchange)
    }

    /// What the worker's login needs on the broker.
    public var brokerPermissions: BrokerPermissions {
        let asks = replies.declare != .none || replies.cancelsWhenUnread
        return topologyPlan.permissions(
            declaredReplies: asks ? replies.defaultQueue.replacing("{prefix}", with: broker.prefix) : nil)
    }

    var retryPolicy: RetryPolicy {
        var policy = RetryPolicy()
        policy.retries = retry.retries
        policy.firstWait = retry.firstWait
        policy.longestInWorker = retry.inWorker
        policy.longestWait = retry.maximumWait
        switch retry.afterFirstToken {
        case .fail: policy.afterFirstToken = .fail
        case .restart: policy.afterFirstToken = .restart
        }
        return policy
    }

    var budgetPolicy: BudgetPolicy {
        func amount(_ usd: Double) -> Money? { usd > 0 ? Money(usd: usd) : nil }
        return BudgetPolicy(
            standard: .init(day: amount(budgets.day), month: amount(budgets.month)),
            customers: budgets.customers.mapValues {
                .init(day: amount($0.day ?? budgets.day), month: amount($0.month ?? budgets.month))
            },
            assumedTokens: budgets.assumedTokens)
    }

    var fairnessPolicy: FairnessPolicy {
        FairnessPolicy(
            customerConcurrency: fairness.customerConcurrency,
            customers: fairness.customers.mapValues { .init(weight: $0.weight, concurrency: $0.concurrency) })
    }

    private var replyQueuePlan: ReplyQueuePlan? {
        let kind: ReplyQueuePlan.Kind
        switch replies.declare {
        case .none: return nil
        case .classic: kind = .classic
        case .stream: kind = .stream
        }
        return ReplyQueuePlan(
            kind: kind, expires: replies.expires, maximumLength: replies.maximumLength,
            maximumLengthBytes: replies.maximumLengthBytes)
    }
}
