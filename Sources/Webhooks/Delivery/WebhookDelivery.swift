/// Decides what comes after a try. Pure.
public enum WebhookDelivery {
    public enum Decision: Sendable, Equatable {
        case delivered
        /// Try again, not before this time has passed.
        case retry(after: Duration)
        /// Not tried: its endpoint has no room for it, or is not asked at present. Again, not before this time has passed.
        case postpone(Duration)
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
        /// It waited longer than `max_age`, perhaps before a breaker that never closed.
        case tooOld = "too_old"
        /// An operator, or an earlier 410, has turned the endpoint off.
        case endpointDisabled = "endpoint_disabled"
        /// Workers died when they posted it, also when it was tried alone.
        case workersDied = "workers_died"
    }

    /// What `Retry-After` may ask for at most.
    public static let longestRetryAfter: Duration = .seconds(86_400)

    /// - Parameters:
    ///   - task: as it was before the try.
    ///   - now: milliseconds since 1970.
    ///   - random: 0 to 1, for the jitter.
    public static func decide(
        outcome: WebhookOutcome, task: WebhookTask, configuration: WebhookConfiguration, now: Int64,
        random: Double
    ) -> Decision {
        switch outcome.kind {
        case .delivered: return .delivered
        case .abandoned: return .handBack
        case .crowded:
            return self.postpone(
                task, for: EndpointLanes.busyWait, configuration: configuration, now: now, random: random)
        case .proxyDown:
            return self.postpone(
                task, for: self.proxyWait(task, now: now), configuration: configuration, now: now, random: random)
        case .status(410): return .dead(.endpointGone)
        case .status, .refused, .dns, .connect, .tls, .timeout, .closed, .invalidResponse, .proxyRefused: break
        }
        let next = task.tries.addingReportingOverflow(1).partialValue
        guard configuration.schedule.indices.contains(next) else { return .dead(.triesExhausted) }
        var wait = self.jittered(configuration.schedule[next], by: configuration.jitter, random: random)
        if self.asksToSlowDown(outcome.kind) { wait = max(wait, configuration.slowDownWait) }
        if let asked = outcome.retryAfter { wait = max(wait, min(asked, self.longestRetryAfter)) }
        return self.isTooOld(task, configuration, now: now) ? .dead(.tooOld) : .retry(after: wait)
    }

    /// What becomes of a task that its endpoint's lane did not take. The wait is varied, so that not all of them come back
    /// at the same moment.
    static func postpone(
        _ task: WebhookTask, for wait: Duration, configuration: WebhookConfiguration, now: Int64, random: Double
    ) -> Decision {
        guard !self.isTooOld(task, configuration, now: now) else { return .dead(.tooOld) }
        return .postpone(wait * (1 + configuration.jitter * min(max(random, 0), 1)))
    }

    /// Half as long as the task is old: often at first, and not much work when the proxy is away for hours.
    private static func proxyWait(_ task: WebhookTask, now: Int64) -> Duration {
        let (age, overflow) = now.subtractingReportingOverflow(task.createdAt)
        return overflow ? .seconds(300) : min(max(.milliseconds(age / 2), .seconds(5)), .seconds(300))
    }

    private static func isTooOld(_ task: WebhookTask, _ configuration: WebhookConfiguration, now: Int64) -> Bool {
        let (age, overflow) = now.subtractingReportingOverflow(task.createdAt)
        return !overflow && .milliseconds(age) > configuration.maximumAge
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
