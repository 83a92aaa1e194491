/// Decides what comes after a try. Pure.
public enum WebhookDelivery {
    public enum Decision: Sendable, Equatable {
        case delivered
        /// Try again, not before this time has passed.
        case retry(after: Duration)
        /// To the dead-letter queue.
        case dead(DeadReason)
        /// The worker stops: the task goes back as it is.
        case handBack
    }

    /// Stands in the dead letter.
    public enum DeadReason: String, Sendable {
        /// 410: the receiver wants nothing more from this endpoint.
        case endpointGone = "endpoint_gone"
        case triesExhausted = "tries_exhausted"
    }

    /// What `Retry-After` may ask for at most.
    public static let longestRetryAfter: Duration = .seconds(86_400)

    /// - Parameters:
    ///   - task: as it was before the try.
    ///   - random: 0 to 1, for the jitter.
    public static func decide(
        outcome: WebhookOutcome, task: WebhookTask, configuration: WebhookConfiguration, random: Double
    ) -> Decision {
        switch outcome.kind {
        case .delivered: return .delivered
        case .abandoned: return .handBack
        case .status(410): return .dead(.endpointGone)
        case .status, .refused, .dns, .connect, .tls, .timeout, .closed, .invalidResponse: break
        }
        let next = task.tries.addingReportingOverflow(1).partialValue
        guard configuration.schedule.indices.contains(next) else { return .dead(.triesExhausted) }
        var wait = self.jittered(configuration.schedule[next], by: configuration.jitter, random: random)
        if self.asksToSlowDown(outcome.kind) { wait = max(wait, configuration.slowDownWait) }
        if let asked = outcome.retryAfter { wait = max(wait, min(asked, self.longestRetryAfter)) }
        return .retry(after: wait)
    }

    /// Standard Webhooks: 429, 502 and 504 mean that the receiver is overloaded; so does no answer in time.
    private static func asksToSlowDown(_ kind: WebhookOutcome.Kind) -> Bool {
        switch kind {
        case .timeout, .status(429), .status(502), .status(504): true
        default: false
        }
    }

    private static func jittered(_ wait: Duration, by fraction: Double, random: Double) -> Duration {
        let fraction = min(max(fraction, 0), 1)
        let random = min(max(random, 0), 1)
        return wait * (1 + fraction * (2 * random - 1))
    }
}
