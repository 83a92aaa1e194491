internal import AMQP
internal import ChatModel

/// An event `job.STATE.CUSTOMER` of a job that moved without ending: what `explain` and dashboards tell where it is by. All
/// are rare; nothing waits for their confirm, so that one may be missing after a crash.
enum JobEvent {
    enum State: String {
        /// In a waiting queue, until a time.
        case parked
        /// Back on its queue: its worker stops.
        case handedBack = "handed_back"
        /// Among those that had begun in workers which died, and are tried a few at a time.
        case setApart = "set_apart"
        /// In the dead-letter queue.
        case dead
        /// Where it was; a cancel of its id concerns an earlier job.
        case cancelIgnored = "cancel_ignored"
    }

    struct Details {
        var attempt: Int64
        var queue: String
        /// Milliseconds since 1970 before which it is not tried again.
        var notBefore: Int64?
        var failure: JobFailure?
        /// In words of the worker's own.
        var reason: String?
    }

    static func message(_ state: State, of key: JobKey, _ details: Details, _ host: JobHost) -> DurableMessage? {
        let time = host.wallClock()
        let kind = "job.\(state.rawValue)"
        var headers: FieldTable = [
            JournalMessage.Header.job: .string(key.id), JournalMessage.Header.customer: .string(key.customer),
            JournalMessage.Header.attempt: .int(details.attempt), JournalMessage.Header.time: .int(time.milliseconds),
        ]
        if let failure = details.failure { headers[JournalMessage.Header.code] = .string(failure.code) }
        var members: [JSONValue.Member] = [
            .init("type", .string(kind)), .init("timestamp", .string(time.rfc3339)),
            .init("worker", .string(host.worker)), .init("queue", .string(details.queue)),
        ]
        if let notBefore = details.notBefore {
            members.append(.init("not_before", .string(Timestamp(milliseconds: notBefore).rfc3339)))
        }
        if let failure = details.failure { members.append(.init("error", failure.eventValue)) }
        if let reason = details.reason { members.append(.init("reason", .string(reason))) }
        members.append(
            .init(
                "job",
                .object([
                    .init("id", .string(key.id)), .init("customer", .string(key.customer)),
                    .init("attempt", .integer(details.attempt)),
                ])))
        return try? Messages.event(
            exchange: host.names.events, routingKey: "\(kind).\(key.customer)",
            messageID: "\(key.id)/\(details.attempt)/\(state.rawValue)", type: kind, headers: headers, user: host.user,
            body: JSONValue.object(members).serialized(), settled: { _ in })
    }
}

extension JobFailure {
    /// As events tell it: never its sentence, which may quote what a gateway or a sender wrote.
    var eventValue: JSONValue {
        .object([
            .init("type", .string(type)), .init("code", .string(code)), .init("retryable", .bool(isRetryable)),
            .init("stage", .string(stage.rawValue)),
        ])
    }
}
