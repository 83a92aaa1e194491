internal import ChatModel
internal import Logging

/// The one canonical log line of a job. Never a prompt, an answer or a secret.
enum JobLogLine {
    struct Summary {
        var job: Job
        var attempt: AttemptNumber
        var tries: Int
        var outcome: JobMachine.Outcome?
        var isMoving: Bool
        var timings: JobTimings
        var bytes: Int
        /// `nil` where nothing has a price.
        var cost: Money?
        var replyWasUnroutable: Bool
        var undeliverable: Undeliverable?
    }

    static func write(_ execution: JobExecution, _ logger: Logger) {
        let summary = execution.summary
        var metadata: Logger.Metadata = [
            LogKey.job: "\(summary.job.id)", LogKey.customer: "\(summary.job.customer)",
            LogKey.attempt: "\(summary.attempt.value)", LogKey.tries: "\(summary.tries)",
            LogKey.model: "\(summary.job.route.upstreamModel)", LogKey.gateway: "\(summary.job.route.gateway)",
            LogKey.answerBytes: "\(summary.bytes)",
        ]
        if let fallback = summary.job.fallback {
            metadata[LogKey.fallbackFrom] = "\(fallback.from)"
            metadata[LogKey.fallbackReason] = "\(fallback.cause.rawValue)"
        }
        let timings = summary.timings
        if timings.ended > timings.received {
            metadata[LogKey.totalMilliseconds] = "\((timings.ended - timings.received) / 1_000_000)"
        }
        if timings.firstOutput > timings.asked, timings.asked > 0 {
            metadata[LogKey.firstTokenMilliseconds] = "\((timings.firstOutput - timings.asked) / 1_000_000)"
        }
        if let cost = summary.cost { metadata[LogKey.cost] = "\(cost.decimal)" }
        if summary.replyWasUnroutable {
            metadata[LogKey.replyQueue] = "missing: \(summary.job.replyTo ?? "")"
        }
        if let fault = summary.undeliverable {
            metadata[LogKey.replyQueue] = "given up (\(fault.replyCode)): \(summary.job.replyTo ?? "")"
        }
        switch summary.outcome {
        case .completed: logger.info("job completed", metadata: metadata)
        case .failed(let failure):
            metadata[LogKey.errorCode] = "\(failure.code)"
            metadata[LogKey.errorStage] = "\(failure.stage.rawValue)"
            logger.warning("job failed", metadata: metadata)
        case nil: logger.info(summary.isMoving ? "job moved" : "job left to others", metadata: metadata)
        }
    }
}

/// Keys of structured log lines, the same everywhere.
package enum LogKey {
    package static let job = "job.id"
    package static let customer = "customer"
    package static let attempt = "attempt"
    package static let tries = "tries"
    package static let model = "gateway.model"
    package static let gateway = "gateway.name"
    package static let fallbackFrom = "fallback.from"
    package static let fallbackReason = "fallback.reason"
    package static let queue = "amqp.queue"
    /// Names of properties whose word does not count.
    package static let overruled = "amqp.overruled"
    package static let count = "count"
    package static let answerBytes = "answer.bytes"
    package static let totalMilliseconds = "total.ms"
    package static let firstTokenMilliseconds = "first_token.ms"
    package static let cost = "cost.usd"
    package static let errorCode = "error.code"
    package static let errorStage = "error.stage"
    package static let errorField = "error.field"
    package static let error = "error"
    package static let replyQueue = "reply.queue"
    package static let waitMilliseconds = "wait.ms"
    package static let webhook = "webhook.id"
    package static let endpoint = "webhook.endpoint"
}
