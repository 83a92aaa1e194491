import AMQP
import ChatModel

/// One reply as a JSON line: headers and body.
enum ReplyLine {
    static func json(_ delivery: Delivery) -> String {
        let properties = delivery.properties
        let body = (try? JSONValue(parsing: delivery.body)) ?? .null
        var headers: [JSONValue.Member] = []
        for (key, value) in properties.headers {
            switch value {
            case .string(let text): headers.append(.init(key, .string(text)))
            case .int(let number): headers.append(.init(key, .integer(number)))
            default: continue
            }
        }
        let line = JSONValue.object([
            .init("type", .string(properties.type ?? "")), .init("message_id", .string(properties.messageID ?? "")),
            .init("correlation_id", properties.correlationID.map { .string($0) } ?? .null),
            .init("headers", .object(headers)), .init("body", body),
        ])
        return String(decoding: line.serialized(), as: UTF8.self)
    }
}
