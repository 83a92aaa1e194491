internal import AMQP
internal import ChatModel

extension JobEnvelope {
    /// What a delivery says beside its body.
    init(_ delivery: Delivery, workerUser: String) {
        let properties = delivery.properties
        var mistyped: String?
        func text(_ name: String) -> String? {
            guard let value = properties.headers[name], value != .null else { return nil }
            guard case .string(let text) = value else {
                mistyped = mistyped ?? name
                return nil
            }
            return text
        }
        self.init(
            messageID: properties.messageID, correlationID: properties.correlationID, replyTo: properties.replyTo,
            contentEncoding: properties.contentEncoding, userID: properties.userID, customer: text("x-customer"),
            profile: text("x-profile"), webhook: text("x-webhook-url"), deadline: text("x-deadline"),
            trace: TraceContext(
                traceparent: properties.headers.string("traceparent"),
                tracestate: properties.headers.string("tracestate")))
        mistypedHeader = mistyped
        priority = properties.priority
        if properties.userID == workerUser {
            verifiedCustomer = properties.headers.string(Republication.Header.verifiedCustomer)
        }
    }
}
