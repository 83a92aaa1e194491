internal import Webhooks

extension JobFailure {
    /// Failures that come from the job's and the worker's own limits.
    static let deadlineExceeded = JobFailure(
        type: "timeout", code: "deadline_exceeded", message: "the job's deadline has passed", param: "job.deadline",
        isRetryable: false, stage: .waiting)

    static let totalTimeout = JobFailure(
        type: "timeout", code: "total_timeout", message: "the answer took longer than limits.total_timeout allows",
        isRetryable: true, stage: .streaming)

    static let noGateway = JobFailure(
        type: "worker_error", code: "no_gateway", message: "the model's gateway is not configured in this worker",
        isRetryable: true, stage: .connect)

    /// - Parameter stage: how far the job had come.
    static func cancelled(at stage: Stage) -> JobFailure {
        JobFailure(
            type: "cancelled", code: "cancelled", message: "the job was cancelled", isRetryable: false, stage: stage)
    }

    /// - Parameter stage: how far the job had come.
    static func unread(at stage: Stage) -> JobFailure {
        JobFailure(
            type: "cancelled", code: "unread",
            message: "nobody can read the replies any more, and the job has no webhook", isRetryable: false,
            stage: stage)
    }

    /// What is left of the customer's budget does not pay for the job.
    static func budgetUsedUp(_ period: BudgetPeriod) -> JobFailure {
        JobFailure(
            type: "budget_exceeded", code: "budget_exceeded",
            message: "the customer's budget of the \(period.rawValue) (UTC) is used up", isRetryable: false,
            stage: .waiting)
    }

    /// The budget does not pay for more of the answer.
    static let budgetReached = JobFailure(
        type: "budget_exceeded", code: "budget_exceeded",
        message: "the customer's budget does not pay for the rest of the answer", isRetryable: false, stage: .streaming)

    static func answerTooLarge(_ maximum: Int) -> JobFailure {
        JobFailure(
            type: "limit_exceeded", code: "answer_too_large",
            message: "the answer is over replies.max_answer_bytes = \(maximum)", isRetryable: false, stage: .streaming)
    }

    /// RabbitMQ 4 takes messages of 16 MiB, where nobody has set `max_message_size`.
    static let answerTooLargeForBroker = JobFailure(
        type: "limit_exceeded", code: "answer_too_large_for_broker",
        message: "the answer is larger than the broker takes in one message (max_message_size)", isRetryable: false,
        stage: .completing)

    /// What the broker itself gave up: `expired`, or the delivery limit.
    static func givenUp(reason: String?) -> JobFailure {
        if reason == "expired" {
            return JobFailure(
                type: "timeout", code: "expired", message: "the job's expiration passed while it was queued",
                isRetryable: true, stage: .waiting)
        }
        return workersDied
    }

    /// Found by the workers, or by the broker's delivery limit.
    static let workersDied = JobFailure(
        type: "worker_error", code: "delivery_limit",
        message: "the job was returned to its queue too often: workers died while they ran it", isRetryable: false,
        stage: .waiting)
}

extension JobMachine.Outcome {
    var eventType: WebhookEventType {
        switch self {
        case .completed: .completed
        case .failed: isCancellation ? .cancelled : .failed
        }
    }

    var isCancellation: Bool {
        if case .failed(let failure) = self { failure.type == "cancelled" } else { false }
    }

    /// As usage events have it.
    var charged: Charge.Outcome {
        switch self {
        case .completed: .completed
        case .failed: isCancellation ? .cancelled : .failed
        }
    }
}
