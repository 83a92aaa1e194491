/// Puts method, header and body frames together into events: a pure state machine over one channel (and channel 0).
/// Whatever the peer sends either makes sense or is a `protocolViolation`; nothing traps, and memory grows only with
/// bytes that have really come, never with what a header claims.
package struct FrameAssembler {
    /// A body over this is counted and thrown away. No broker holds one: the largest `max_message_size` that RabbitMQ can be
    /// given is 512 MiB.
    package static let hardCap: UInt64 = 512 << 20
    /// The most that is reserved on the word of a header.
    private static let firstReserve: UInt64 = 128 << 10

    private enum Content {
        case delivery(consumerTag: String, IncomingMessage)
        case got(IncomingMessage)
        case returned(ReturnedMessage)
    }

    private enum State {
        case idle
        case header(Content)
        case body(Content, remaining: UInt64)
    }

    private static let basicClass: UInt16 = 60

    package let channel: UInt16
    /// Bytes over which a delivered message is marked.
    package let maximumBodySize: Int
    private let cap: UInt64
    private var state = State.idle
    /// What has come of the present body, where it is kept.
    package private(set) var body: [UInt8] = []
    /// Of the present body as far as it has come, also where it is not kept.
    private var hash = BodyHash()
    /// Bytes over which the body of a delivery is not kept, because there is no room for it at present.
    var room = UInt64.max

    package init(channel: UInt16, maximumBodySize: Int, hardCap: UInt64 = Self.hardCap) {
        self.channel = channel
        self.maximumBodySize = maximumBodySize
        cap = max(hardCap, UInt64(max(maximumBodySize, 0)))
    }

    /// Takes one frame; returns an event when that frame completed one.
    package mutating func consume(_ frame: IncomingFrame) throws(AMQPError) -> BrokerEvent? {
        switch frame {
        case .method(let channel, let method):
            return try consume(method, on: channel)
        case .header(let channel, let classID, let bodySize, let properties):
            guard channel == self.channel, case .header(let content) = state else {
                throw Self.violation("a content header that no method announced")
            }
            guard classID == Self.basicClass else { throw Self.violation("a content header of class \(classID)") }
            return begin(content, bodySize: bodySize, properties: properties)
        case .body(let channel, let bytes):
            guard channel == self.channel, case .body(let content, let remaining) = state else {
                throw Self.violation("a content body without its header")
            }
            guard bytes.count <= remaining else { throw Self.violation("a content body longer than announced") }
            return extend(content, by: bytes, remaining: remaining - UInt64(bytes.count))
        }
    }

    private mutating func consume(_ method: IncomingMethod, on channel: UInt16) throws(AMQPError) -> BrokerEvent? {
        // These belong to the connection and may come between the frames of a content.
        switch (channel, method) {
        case (0, .connectionClose(let code, let text)): return .connectionClosed(replyCode: code, replyText: text)
        case (0, .blocked(let reason)): return .blocked(reason: reason)
        case (0, .unblocked): return .unblocked
        case (0, _): return nil
        case (self.channel, .channelClose(let code, let text)):
            reset()
            return .channelClosed(replyCode: code, replyText: text)
        default: break
        }
        guard channel == self.channel else { throw Self.violation("a frame on channel \(channel)") }
        guard case .idle = state else { throw Self.violation("a method in the middle of a content") }
        switch method {
        case .deliver(let consumerTag, let tag, let redelivered, let exchange, let routingKey):
            state = .header(
                .delivery(
                    consumerTag: consumerTag,
                    Self.message(tag: tag, redelivered: redelivered, exchange: exchange, routingKey: routingKey)))
        case .getOk(let tag, let redelivered, let exchange, let routingKey):
            state = .header(
                .got(Self.message(tag: tag, redelivered: redelivered, exchange: exchange, routingKey: routingKey)))
        case .returned(let code, let text, let exchange, let routingKey):
            state = .header(
                .returned(
                    ReturnedMessage(
                        replyCode: code, replyText: text, exchange: exchange, routingKey: routingKey, messageID: nil,
                        bodySize: 0)))
        case .getEmpty: return .getEmpty
        case .acknowledge(let tag, let multiple): return .acknowledged(tag: tag, multiple: multiple)
        case .refuse(let tag, let multiple): return .refused(tag: tag, multiple: multiple)
        case .cancel(let consumerTag): return .cancelled(consumerTag: consumerTag)
        case .cancelOk(let consumerTag): return .cancelConfirmed(consumerTag: consumerTag)
        case .flowOk: return .flowConfirmed
        case .channelClose, .connectionClose, .blocked, .unblocked, .other: break
        }
        return nil
    }

    private mutating func begin(
        _ content: Content, bodySize: UInt64, properties: MessageProperties
    ) -> BrokerEvent? {
        var content = content
        switch content {
        case .delivery(let consumerTag, var message):
            message.begin(properties: properties, bodySize: bodySize, maximum: maximumBodySize)
            content = .delivery(consumerTag: consumerTag, message)
        case .got(var message):
            message.begin(properties: properties, bodySize: bodySize, maximum: maximumBodySize)
            content = .got(message)
        case .returned(var message):
            message.messageID = properties.messageID
            message.bodySize = bodySize
            content = .returned(message)
        }
        if case .delivery(let consumerTag, var message) = content, bodySize > room {
            message.isSkipped = true
            content = .delivery(consumerTag: consumerTag, message)
        }
        guard bodySize > 0 else { return finish(content) }
        if keeps(content) { body.reserveCapacity(Int(min(bodySize, Self.firstReserve))) }
        state = .body(content, remaining: bodySize)
        return nil
    }

    private mutating func extend(
        _ content: Content, by bytes: UnsafeRawBufferPointer, remaining: UInt64
    ) -> BrokerEvent? {
        if keeps(content) {
            body.append(contentsOf: bytes)
            hash.update(bytes)
        }
        guard remaining == 0 else {
            state = .body(content, remaining: remaining)
            return nil
        }
        return finish(content)
    }

    private func keeps(_ content: Content) -> Bool {
        switch content {
        case .delivery(_, let message), .got(let message): message.bodySize <= cap && !message.isSkipped
        case .returned: false
        }
    }

    private mutating func finish(_ content: Content) -> BrokerEvent {
        let (body, hash) = (body, hash.value)
        reset()
        switch content {
        case .delivery(let consumerTag, var message):
            message.body = body
            message.bodyHash = hash
            return .delivered(consumerTag: consumerTag, message)
        case .got(var message):
            message.body = body
            message.bodyHash = hash
            return .got(message)
        case .returned(let message):
            return .returned(message)
        }
    }

    private mutating func reset() {
        state = .idle
        body = []
        hash = BodyHash()
    }

    private static func message(
        tag: UInt64, redelivered: Bool, exchange: String, routingKey: String
    ) -> IncomingMessage {
        IncomingMessage(
            deliveryTag: tag, redelivered: redelivered, exchange: exchange, routingKey: routingKey,
            properties: MessageProperties(), body: [], bodySize: 0, isOversize: false)
    }

    private static func violation(_ what: String) -> AMQPError {
        AMQPError(.protocolViolation, "the broker sent \(what)")
    }
}

extension IncomingMessage {
    fileprivate mutating func begin(properties: MessageProperties, bodySize: UInt64, maximum: Int) {
        self.properties = properties
        self.bodySize = bodySize
        isOversize = bodySize > UInt64(max(maximum, 0))
    }
}
