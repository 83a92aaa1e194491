/// The `type` of a webhook's envelope.
public enum WebhookEventType: String, Sendable, CaseIterable {
    case completed = "chat.completion.completed"
    case failed = "chat.completion.failed"
    case cancelled = "chat.completion.cancelled"
    /// From an operator who tries an endpoint out; belongs to no job.
    case test = "chat.webhook.test"

    /// Those that end a job.
    public static let jobEvents: [WebhookEventType] = [.completed, .failed, .cancelled]

    /// `completed`, ...
    public var word: String { String(rawValue.split(separator: ".").last ?? "") }
}
