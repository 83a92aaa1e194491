/// The `type` of a webhook's envelope.
public enum WebhookEventType: String, Sendable, CaseIterable {
    case completed = "chat.completion.completed"
    case failed = "chat.completion.failed"
    case cancelled = "chat.completion.cancelled"
}
