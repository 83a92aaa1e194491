internal import AMQP
internal import ChatModel
internal import Webhooks

/// An event `webhook.STATE`: what became of a webhook, for dashboards and alarms.
enum WebhookEvent {
    enum State: String {
        case delivered, dead
        /// Not accepted; tried again.
        case retrying
    }

    static func message(
        _ state: State, of task: WebhookTask, tries: Int, status: Int?, reason: String?, next: Timestamp? = nil,
        time: Timestamp, host: JobHost
    ) -> DurableMessage? {
        var members: [JSONValue.Member] = [
            .init("type", .string("webhook.\(state.rawValue)")), .init("webhook_id", .string(task.id)),
            .init("job", .string(task.job)), .init("customer", .string(task.customer)),
            .init("attempt", .integer(task.attempt)), .init("event", .string(task.eventType.rawValue)),
            .init("endpoint", .string(task.endpoint.text)), .init("tries", .integer(tries)),
            .init("time", .string(time.rfc3339)),
        ]
        if let status { members.append(.init("status", .integer(status))) }
        if let reason { members.append(.init("reason", .string(reason))) }
        if let next { members.append(.init("next", .string(next.rfc3339))) }
        members.append(.init("worker", .string(host.worker)))
        let headers: FieldTable = [
            JournalMessage.Header.job: .string(task.job), JournalMessage.Header.customer: .string(task.customer),
            JournalMessage.Header.attempt: .int(task.attempt), JournalMessage.Header.time: .int(time.milliseconds),
        ]
        return try? Messages.event(
            exchange: host.names.events, routingKey: "webhook.\(state.rawValue)",
            messageID: "\(task.id)/\(task.attempt)/\(tries)/\(state.rawValue)", type: "webhook", headers: headers,
            user: host.user, body: JSONValue.object(members).serialized(), settled: { _ in })
    }
}
