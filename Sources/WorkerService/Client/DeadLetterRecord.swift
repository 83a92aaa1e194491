package import AMQP
package import ChatModel
package import JobRunner
import Webhooks

/// Dead letters as JSON, for programs and for the export. Documented in the contracts.
package enum DeadLetterRecord {
    /// What `list` says: nothing that its sender wrote but identifiers.
    package static func summary(_ letter: DeadLetter) -> [JSONValue.Member] {
        [
            .init("dead_at", text(letter.deadAt?.rfc3339)), .init("kind", .string(letter.kind.rawValue)),
            .init("id", text(letter.id)), .init("customer", text(letter.customer)),
            .init("reason", .string(letter.code)), .init("stage", text(letter.stage)),
            .init("tries", letter.tries.map { .integer($0) } ?? .null), .init("size", .integer(letter.size)),
            .init("queue", text(letter.originQueue)), .init("republished", .integer(letter.republished)),
        ]
    }

    /// All of it.
    ///
    /// - Parameter withBody: also the body, and headers that only its sender knows: they may hold what was asked.
    package static func whole(_ letter: DeadLetter, _ delivery: Delivery, withBody: Bool) -> [JSONValue.Member] {
        let properties = delivery.properties
        let headers = properties.headers.filter { withBody || DeadLetter.knownHeaders.contains($0.key) }
        var members = summary(letter)
        members += [
            .init("message", .string(letter.reason)), .init("field", text(letter.field)),
            .init("deadline", text(letter.deadline?.rfc3339)), .init("webhook_id", text(letter.webhookID)),
            .init("verified_customer", text(letter.verifiedCustomer)),
            .init(
                "properties",
                .object([
                    .init("content_type", text(properties.contentType)),
                    .init("content_encoding", text(properties.contentEncoding)),
                    .init("correlation_id", text(properties.correlationID)),
                    .init("reply_to", text(properties.replyTo)), .init("message_id", text(properties.messageID)),
                    .init("timestamp", properties.timestamp.map { .integer($0) } ?? .null),
                    .init("type", text(properties.type)), .init("user_id", text(properties.userID)),
                    .init("app_id", text(properties.appID)),
                    .init("priority", properties.priority.map { .integer($0) } ?? .null),
                ])),
            .init("headers", .object(headers.map { .init($0.key, value($0.value)) })),
        ]
        guard withBody else { return members }
        if !letter.isWhole {
            members.append(.init("body", .null))
        } else if let text = String(validating: delivery.body, as: UTF8.self) {
            members.append(.init("body", .string(text)))
        } else {
            members.append(.init("body_base64", .string(Base64.encode(delivery.body))))
        }
        return members
    }

    private static func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }

    private static func value(_ field: FieldValue) -> JSONValue {
        switch field {
        case .bool(let flag): .bool(flag)
        case .int(let number): .integer(number)
        case .double(let number): number.isFinite ? .number("\(number)") : .null
        case .string(let text): .string(text)
        case .bytes(let bytes): .string(Base64.encode(bytes))
        case .timestamp(let seconds): .integer(seconds)
        case .array(let values): .array(values.map(value))
        case .table(let table): .object(table.map { .init($0.key, value($0.value)) })
        case .null: .null
        }
    }
}
