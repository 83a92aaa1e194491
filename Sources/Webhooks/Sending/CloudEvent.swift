internal import ChatModel

/// The attributes of CloudEvents 1.0 as HTTP headers (binary content mode, HTTP protocol binding 3.1). The body stays what
/// is signed; its `content-type` is that of the event's data.
enum CloudEvent {
    /// - Parameter source: who speaks; with the id it tells an event from any other.
    static func headers(of task: WebhookTask, source: String) -> [WebhookOptions.Header] {
        [
            .init(name: "ce-specversion", value: "1.0"), .init(name: "ce-id", value: task.id),
            .init(name: "ce-source", value: source), .init(name: "ce-type", value: task.eventType.rawValue),
            .init(name: "ce-subject", value: task.job),
            .init(name: "ce-time", value: Timestamp(milliseconds: task.createdAt).rfc3339),
        ]
    }
}
