internal import ChatModel
internal import Synchronization
internal import Webhooks

/// What may change while the worker runs. A job keeps those of its beginning to its end, whatever is reloaded meanwhile.
final class JobSettings: Sendable {
    let parser: JobParser
    let retry: RetryPolicy
    let parkAfter: Duration
    let totalTimeout: Duration
    let maximumAnswerBytes: Int
    /// Of an answer with all that travels as it came: envelopes are not output, but they are memory.
    let maximumKeptBytes: Int
    let highWaterBytes: Int
    let assumedTokens: Int
    let debugSample: Double
    let webhookPolicy: WebhookPolicy

    init(_ configuration: JobRunnerConfiguration) {
        parser = JobParser(rules: configuration.rules)
        retry = configuration.retry
        parkAfter = configuration.parkAfter
        totalTimeout = configuration.totalTimeout
        maximumAnswerBytes = configuration.maximumAnswerBytes
        maximumKeptBytes = max(64 << 20, 4 * configuration.maximumAnswerBytes)
        highWaterBytes = configuration.highWaterBytes
        assumedTokens = configuration.budgets.assumedTokens
        debugSample = configuration.debugSample
        webhookPolicy = WebhookPolicy(configuration: configuration.webhooks)
    }
}

extension JobRunner {
    /// Takes over what may change at once: for jobs that arrive, and webhook tries that begin, from now on. What else differs
    /// is not looked at; `configuration` has been checked, and has the same gateways. Any thread.
    public func reload(_ configuration: JobRunnerConfiguration) {
        host.replaceSettings(JobSettings(configuration))
        host.gates.update(
            limits: configuration.routeLimits, coolDowns: configuration.gatewayRules.mapValues(\.coolDown))
        host.journal.withLedger { $0.policy = configuration.budgets }
        webhooks.reload(configuration.webhooks)
        for gateway in configuration.gateways { host.gateways[gateway.name]?.replaceKeys(gateway.keys) }
        board.gateMayHaveOpened()
    }
}
