import CRabbitMQ

/// Bits of `amqp_basic_properties_t._flags`: which properties are there (AMQP_BASIC_…_FLAG).
enum BasicFlag {
    static let contentType: UInt32 = 1 << 15
    static let contentEncoding: UInt32 = 1 << 14
    static let headers: UInt32 = 1 << 13
    static let deliveryMode: UInt32 = 1 << 12
    static let priority: UInt32 = 1 << 11
    static let correlationID: UInt32 = 1 << 10
    static let replyTo: UInt32 = 1 << 9
    static let expiration: UInt32 = 1 << 8
    static let messageID: UInt32 = 1 << 7
    static let timestamp: UInt32 = 1 << 6
    static let type: UInt32 = 1 << 5
    static let userID: UInt32 = 1 << 4
    static let appID: UInt32 = 1 << 3
}

extension CArena {
    /// The same in this arena's memory.
    func encode(_ source: MessageProperties) throws(AMQPError) -> UnsafeMutablePointer<amqp_basic_properties_t> {
        let encoded = try properties(source)
        let place = allocate(MemoryLayout<amqp_basic_properties_t>.size)
        guard let address = place.initializeMemory(as: amqp_basic_properties_t.self, repeating: encoded).baseAddress
        else { throw AMQPError(.configuration, "out of memory") }
        return address
    }

    func properties(_ source: MessageProperties) throws(AMQPError) -> amqp_basic_properties_t {
        var target = amqp_basic_properties_t()
        func set(_ text: String?, _ flag: UInt32, _ name: String) throws(AMQPError) -> amqp_bytes_t {
            guard let text else { return amqp_bytes_t() }
            target._flags |= flag
            return try shortString(text, name)
        }
        target.content_type = try set(source.contentType, BasicFlag.contentType, "content type")
        target.content_encoding = try set(source.contentEncoding, BasicFlag.contentEncoding, "content encoding")
        target.correlation_id = try set(source.correlationID, BasicFlag.correlationID, "correlation id")
        target.reply_to = try set(source.replyTo, BasicFlag.replyTo, "reply-to")
        target.expiration = try set(source.expiration, BasicFlag.expiration, "expiration")
        target.message_id = try set(source.messageID, BasicFlag.messageID, "message id")
        target.type = try set(source.type, BasicFlag.type, "type")
        target.user_id = try set(source.userID, BasicFlag.userID, "user id")
        target.app_id = try set(source.appID, BasicFlag.appID, "app id")
        if !source.headers.entries.isEmpty {
            target._flags |= BasicFlag.headers
            target.headers = try table(source.headers)
        }
        target._flags |= BasicFlag.deliveryMode
        target.delivery_mode = source.isPersistent ? 2 : 1
        if let priority = source.priority {
            target._flags |= BasicFlag.priority
            target.priority = priority
        }
        if let timestamp = source.timestamp {
            target._flags |= BasicFlag.timestamp
            target.timestamp = timestamp
        }
        return target
    }
}

extension MessageProperties {
    /// Copies what librabbitmq decoded.
    init(_ source: amqp_basic_properties_t) {
        func text(_ bytes: amqp_bytes_t, _ flag: UInt32) -> String? {
            source._flags & flag == 0 ? nil : bytes.string
        }
        self.init(
            contentType: text(source.content_type, BasicFlag.contentType),
            contentEncoding: text(source.content_encoding, BasicFlag.contentEncoding),
            headers: source._flags & BasicFlag.headers == 0 ? [:] : FieldTable(source.headers),
            isPersistent: source._flags & BasicFlag.deliveryMode != 0 && source.delivery_mode == 2,
            priority: source._flags & BasicFlag.priority == 0 ? nil : source.priority,
            correlationID: text(source.correlation_id, BasicFlag.correlationID),
            replyTo: text(source.reply_to, BasicFlag.replyTo),
            expiration: text(source.expiration, BasicFlag.expiration),
            messageID: text(source.message_id, BasicFlag.messageID),
            timestamp: source._flags & BasicFlag.timestamp == 0 ? nil : source.timestamp,
            type: text(source.type, BasicFlag.type),
            userID: text(source.user_id, BasicFlag.userID),
            appID: text(source.app_id, BasicFlag.appID))
    }

    /// Bytes of the encoded properties, at most.
    var encodedSize: Int {
        let texts = [
            contentType, contentEncoding, correlationID, replyTo, expiration, messageID, type, userID, appID,
        ]
        return texts.reduce(headers.encodedSize + 32) { $0 + 1 + ($1?.utf8.count ?? 0) }
    }
}
