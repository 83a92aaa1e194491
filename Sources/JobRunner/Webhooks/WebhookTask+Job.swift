internal import ChatModel
internal import Webhooks

extension WebhookTask {
    /// The task that carries a job's terminal reply to its webhook.
    init(
        customer: String, job: String, target: WebhookTarget, type: WebhookEventType, data: [UInt8],
        attempt: AttemptNumber, time: Timestamp, traceparent: String?
    ) {
        self.init(
            id: WebhookID.derive(customer: customer, job: job), target: target, customer: customer, job: job,
            attempt: attempt.value, eventType: type,
            body: WebhookPayload.body(type: type, timestamp: time.rfc3339, data: data),
            createdAt: time.milliseconds, traceparent: traceparent)
    }
}
