/// What the frames of one channel add up to.
package enum BrokerEvent: Sendable, Equatable {
    case delivered(consumerTag: String, IncomingMessage)
    case got(IncomingMessage)
    case getEmpty
    case returned(ReturnedMessage)
    case acknowledged(tag: UInt64, multiple: Bool)
    case refused(tag: UInt64, multiple: Bool)
    /// The broker ended a consumer: its queue was deleted, or the queue's leader failed.
    case cancelled(consumerTag: String)
    /// The broker confirmed that a consumer has ended.
    case cancelConfirmed(consumerTag: String)
    /// The answer to `BrokerLink.askForFlow`.
    case flowConfirmed
    case channelClosed(replyCode: Int, replyText: String)
    case connectionClosed(replyCode: Int, replyText: String)
    case blocked(reason: String)
    case unblocked
}

/// A message with its content complete.
package struct IncomingMessage: Sendable, Equatable {
    package var deliveryTag: UInt64
    package var redelivered: Bool
    package var exchange: String
    package var routingKey: String
    package var properties: MessageProperties
    /// Empty where it was over the hard cap.
    package var body: [UInt8]
    package var bodySize: UInt64
    package var isOversize: Bool
    /// There was no room for its body: it is to be given back to its queue.
    package var isSkipped = false
    /// Of the body, where it was kept.
    package var bodyHash: UInt64?
}

/// A `mandatory` message that reached no queue; its body is not kept.
package struct ReturnedMessage: Sendable, Equatable {
    package var replyCode: Int
    package var replyText: String
    package var exchange: String
    package var routingKey: String
    package var messageID: String?
    package var bodySize: UInt64

    /// The same number as `PublishTemplate.fingerprint` of the message that came back.
    var fingerprint: UInt64 {
        var print = Fingerprint(exchange: exchange, routingKey: routingKey)
        if let messageID {
            for byte in messageID.utf8 { print.combine(byte: byte) }
        }
        print.combine(bodySize)
        return print.value
    }
}
