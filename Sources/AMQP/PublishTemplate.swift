internal import CRabbitMQ

/// Where a run of messages goes and what its properties are, encoded once: per message only numbers and the message
/// id are overwritten in place.
///
/// `@unchecked Sendable`: made on any thread, then used (`set…`, `publish`) by one publisher thread at a time; the
/// owner hands it over under the lock that also guards what is to be published with it.
public final class PublishTemplate: @unchecked Sendable {
    /// Encoded properties over this do not fit in the one frame that carries them.
    static let maximumPropertySize = 64_000

    let exchange: amqp_bytes_t
    let routingKey: amqp_bytes_t
    /// In C memory, so that publishing passes its address and copies nothing.
    private let properties: UnsafeMutablePointer<amqp_basic_properties_t>
    /// Hash of exchange and routing key: the part of a return's fingerprint that is the same for every message.
    let routeFingerprint: Fingerprint
    private let arena: CArena
    private let integers: [Int]
    private let messageID: UnsafeMutableRawBufferPointer

    /// - Parameter integerHeaders: headers put after those of `properties`, 0 at first, signed 64 bits on the wire.
    /// - Throws: `protocolViolation` for a name or property over 255 bytes of UTF-8, or headers over 64 kB.
    public init(
        exchange: String, routingKey: String, properties: MessageProperties, integerHeaders: [String] = []
    ) throws(AMQPError) {
        let arena = CArena()
        var properties = properties
        for name in integerHeaders { properties.headers[name] = nil }
        let fixed = properties.headers.entries.count
        for name in integerHeaders { properties.headers[name] = .int(0) }
        let size = properties.encodedSize
        guard size <= Self.maximumPropertySize else {
            throw AMQPError(.protocolViolation, "the message's headers are over \(Self.maximumPropertySize) bytes")
        }
        self.arena = arena
        self.exchange = try arena.shortString(exchange, "exchange")
        self.routingKey = try arena.shortString(routingKey, "routing key")
        self.properties = try arena.encode(properties)
        let names = properties.headers.entries[fixed...].map(\.key)
        integers = integerHeaders.map { name in fixed + (names.firstIndex(of: name) ?? 0) }
        routeFingerprint = Fingerprint(exchange: exchange, routingKey: routingKey)
        messageID = arena.allocate(255)
    }

    /// Overwrites the value of `integerHeaders[index]`; an index out of range is ignored.
    public func setInteger(_ index: Int, _ value: Int64) {
        guard integers.indices.contains(index) else { return }
        properties.pointee.headers.entries[integers[index]].value.value.i64 = value
    }

    /// Overwrites `message_id`; what is over 255 bytes is cut off.
    public func setMessageID(_ bytes: UnsafeRawBufferPointer) {
        let count = min(bytes.count, messageID.count)
        messageID.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        properties.pointee.message_id = amqp_bytes_t(len: count, bytes: messageID.baseAddress)
        properties.pointee._flags |= BasicFlag.messageID
    }

    /// Names one message of this template among those that may be returned.
    func fingerprint(bodySize: Int) -> UInt64 {
        var print = routeFingerprint
        if properties.pointee._flags & BasicFlag.messageID != 0 { print.combine(properties.pointee.message_id.buffer) }
        print.combine(UInt64(bodySize))
        return print.value
    }

    func withProperties<Result>(_ body: (UnsafePointer<amqp_basic_properties_t>) -> Result) -> Result {
        body(UnsafePointer(properties))
    }
}
