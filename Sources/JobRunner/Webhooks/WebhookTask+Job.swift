internal import ChatModel
internal import Webhooks

extension WebhookTask {
    /// The task that carries a job's terminal reply to its webhook; `nil` where the endpoint does not want this event.
    init?(
        customer: String, job: String, target: WebhookTarget, type: WebhookEventType, data: [UInt8],
        attempt: AttemptNumber, time: Timestamp, trace: TraceContext?, options: WebhookOptions
    ) {
        let body = WebhookPayload.body(type: type, timestamp: time.rfc3339, data: data, options: options)
        guard let body else { return nil }
        self.init(
            id: WebhookID.derive(customer: customer, job: job), target: target, customer: customer, job: job,
            attempt: attempt.value, eventType: type,
            body: body,
            createdAt: time.milliseconds, trace: trace)
    }
}
