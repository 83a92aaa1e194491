import CRabbitMQ

/// A message's properties as librabbitmq encodes them, with the places where `PublishTemplate` writes.
struct EncodedProperties {
    /// Up to the message id, the flags included.
    let beforeMessageID: [UInt8]
    let afterMessageID: [UInt8]
    /// Where the header table ends in `beforeMessageID`.
    let tableEnd: Int

    init(_ properties: MessageProperties) throws(AMQPError) {
        let arena = CArena()
        var properties = properties
        // Its length byte stands in for it.
        let hasMessageID = properties.messageID != nil
        if hasMessageID { properties.messageID = "" }
        let all = try arena.properties(properties)
        let most = properties.encodedSize
        // Properties stand in the order of their flags.
        let first = try Self.encode(all, only: ~(BasicFlag.messageID * 2 - 1), most)
        let whole = try Self.encode(all, only: .max, most)
        tableEnd = try Self.encode(
            all, only: BasicFlag.contentType | BasicFlag.contentEncoding | BasicFlag.headers, most
        ).count
        beforeMessageID = Array(whole[..<first.count])
        afterMessageID = Array(whole[(first.count + (hasMessageID ? 1 : 0))...])
    }

    private static func encode(
        _ properties: amqp_basic_properties_t, only flags: UInt32, _ most: Int
    ) throws(AMQPError) -> [UInt8] {
        var properties = properties
        properties._flags &= flags
        let bytes = [UInt8](unsafeUninitializedCapacity: most) { buffer, count in
            let target = amqp_bytes_t(len: buffer.count, bytes: buffer.baseAddress)
            count = max(0, Int(amqp_encode_properties(UInt16(AMQP_BASIC_CLASS), &properties, target)))
        }
        guard bytes.count >= 2 else {
            throw AMQPError(.protocolViolation, "the message's properties cannot be encoded")
        }
        return bytes
    }
}
