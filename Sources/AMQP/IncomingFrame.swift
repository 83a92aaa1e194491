/// A frame from the broker as a plain value; the C types end at `BrokerLink`. Bytes in `body` are valid only until the
/// link's buffers are released.
package enum IncomingFrame {
    case method(channel: UInt16, IncomingMethod)
    case header(channel: UInt16, classID: UInt16, bodySize: UInt64, properties: MessageProperties)
    case body(channel: UInt16, UnsafeRawBufferPointer)

    var channel: UInt16 {
        switch self {
        case .method(let channel, _), .header(let channel, _, _, _), .body(let channel, _): channel
        }
    }
}

/// The methods that a broker sends of its own accord, or that this side waits for without `amqp_simple_rpc`.
package enum IncomingMethod: Sendable, Equatable {
    case deliver(consumerTag: String, deliveryTag: UInt64, redelivered: Bool, exchange: String, routingKey: String)
    case getOk(deliveryTag: UInt64, redelivered: Bool, exchange: String, routingKey: String)
    case getEmpty
    case returned(replyCode: Int, replyText: String, exchange: String, routingKey: String)
    case acknowledge(tag: UInt64, multiple: Bool)
    case refuse(tag: UInt64, multiple: Bool)
    case cancel(consumerTag: String)
    case cancelOk(consumerTag: String)
    case flowOk
    case channelClose(replyCode: Int, replyText: String)
    case connectionClose(replyCode: Int, replyText: String)
    case blocked(reason: String)
    case unblocked
    /// Any other, by its number (class << 16 | method).
    case other(UInt32)
}
