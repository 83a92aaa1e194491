internal import CRabbitMQ

/// Where a run of messages goes and what its properties are, encoded once: the two frames that open a message stand in
/// one block of memory, and per message only numbers are overwritten in place.
///
/// AMQP 0-9-1, sections 2.3.5 (frames) and 4.2.6 (content header).
///
/// `@unchecked Sendable`: made on any thread, then used (`set…`, `number…`, publishing) by one publisher thread at a time;
/// the owner hands it over under the lock that also guards what is to be published with it.
public final class PublishTemplate: @unchecked Sendable {
    /// Encoded properties over this do not fit in the one frame that carries them.
    static let maximumPropertySize = 64_000
    /// Digits of the largest number that `numberMessageID` writes.
    private static let mostDigits = 19

    /// `head`, the message id with room for its longest form, `tail`.
    private let block: UnsafeMutableRawBufferPointer
    /// Both frames up to the message id.
    private let headCount: Int
    /// What follows the message id, with the end mark of the header frame.
    private let tailOffset: Int
    private let headerFrame: Int
    private let integers: [Int]
    private let hasMessageID: Bool
    private let idPrefixCount: Int
    /// Bytes of the message id.
    private var idCount: Int
    /// Hash of exchange and routing key: the part of a return's fingerprint that is the same for every message.
    let routeFingerprint: Fingerprint

    /// - Parameters:
    ///   - integerHeaders: headers put after those of `properties`, 0 at first, signed 64 bits on the wire.
    ///   - numbersMessageID: the message id of `properties` is a prefix, which `numberMessageID` completes.
    /// - Throws: `protocolViolation` for a name or property over 255 bytes of UTF-8, or headers over 64 kB.
    public init(
        exchange: String, routingKey: String, properties: MessageProperties, integerHeaders: [String] = [],
        numbersMessageID: Bool = false
    ) throws(AMQPError) {
        var properties = properties
        for name in integerHeaders { properties.headers[name] = nil }
        let fixed = properties.headers.entries.count
        for name in integerHeaders { properties.headers[name] = .int(0) }
        guard properties.encodedSize <= Self.maximumPropertySize else {
            throw AMQPError(.protocolViolation, "the message's headers are over \(Self.maximumPropertySize) bytes")
        }
        let id = Array((properties.messageID ?? "").utf8)
        let idCapacity = id.count + (numbersMessageID ? Self.mostDigits : 0)
        guard idCapacity <= 255 else { throw AMQPError(.protocolViolation, "the message id is longer than 255 bytes") }
        let encoded = try EncodedProperties(properties)
        var head = FrameWriter.publishMethod(
            exchange: try FrameWriter.shortString(exchange, "exchange"),
            routingKey: try FrameWriter.shortString(routingKey, "routing key"))
        headerFrame = head.count
        head += FrameWriter.contentHeaderStart + encoded.beforeMessageID
        headCount = head.count
        let names = properties.headers.entries[fixed...].map(\.key)
        // Entries of the table's end: name, kind, eight bytes.
        var place = headerFrame + FrameWriter.contentHeaderStart.count + encoded.tableEnd
        var places: [String: Int] = [:]
        for name in names.reversed() {
            places[name] = place - 8
            place -= 1 + name.utf8.count + 1 + 8
        }
        integers = integerHeaders.map { places[$0] ?? 0 }
        hasMessageID = properties.messageID != nil
        idPrefixCount = id.count
        idCount = id.count
        tailOffset = head.count + (hasMessageID ? 1 + idCapacity : 0)
        let tail = encoded.afterMessageID + [FrameWriter.endMark]
        block = .allocate(byteCount: tailOffset + tail.count, alignment: 8)
        block.initializeMemory(as: UInt8.self, repeating: 0)
        block.copyBytes(from: head)
        if hasMessageID {
            UnsafeMutableRawBufferPointer(rebasing: block[(headCount + 1)...]).copyBytes(from: id)
        }
        UnsafeMutableRawBufferPointer(rebasing: block[tailOffset...]).copyBytes(from: tail)
        routeFingerprint = Fingerprint(exchange: exchange, routingKey: routingKey)
    }

    deinit { block.deallocate() }

    /// Overwrites the value of `integerHeaders[index]`; an index out of range is ignored.
    public func setInteger(_ index: Int, _ value: Int64) {
        guard integers.indices.contains(index) else { return }
        block.storeBytes(of: value.bigEndian, toByteOffset: integers[index], as: Int64.self)
    }

    /// Completes `message_id`: its prefix, and this number in decimal. Only with `numbersMessageID`.
    public func numberMessageID(_ number: Int64) {
        guard tailOffset &- headCount &- 1 >= idPrefixCount &+ Self.mostDigits else { return }
        var rest = UInt64(clamping: number)
        var digits = 1
        var power: UInt64 = 10
        while digits < Self.mostDigits, rest >= power {
            digits &+= 1
            power &*= 10
        }
        idCount = idPrefixCount &+ digits
        var place = headCount &+ idCount
        while place > headCount &+ idPrefixCount {
            block[place] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
            place &-= 1
        }
    }

    private var messageID: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: block[(headCount &+ 1)..<(headCount &+ 1 &+ idCount)])
    }

    /// Names one message of this template among those that may be returned.
    func fingerprint(bodySize: Int) -> UInt64 {
        var print = routeFingerprint
        if hasMessageID { print.combine(messageID) }
        print.combine(UInt64(bodySize))
        return print.value
    }

    /// Bytes of the two frames as they stand.
    var size: Int { headCount &+ (hasMessageID ? 1 &+ idCount : 0) &+ block.count &- tailOffset }

    /// Writes the two frames to `output`, which has room for `size` bytes.
    func write(to output: UnsafeMutableRawPointer, bodySize: Int, mandatory: Bool) {
        guard let source = block.baseAddress else { return }
        output.copyMemory(from: source, byteCount: headCount)
        var count = headCount
        if hasMessageID {
            (output + count).storeBytes(of: UInt8(truncatingIfNeeded: idCount), as: UInt8.self)
            (output + count + 1).copyMemory(from: source + headCount + 1, byteCount: idCount)
            count &+= 1 &+ idCount
        }
        (output + count).copyMemory(from: source + tailOffset, byteCount: block.count &- tailOffset)
        count &+= block.count &- tailOffset
        if mandatory { (output + headerFrame - 2).storeBytes(of: 1, as: UInt8.self) }
        // Type, channel, size; then class, weight, body size.
        let payload = count &- headerFrame &- FrameWriter.overhead
        (output + headerFrame + 3).storeBytes(of: UInt32(truncatingIfNeeded: payload).bigEndian, as: UInt32.self)
        (output + headerFrame + 11).storeBytes(of: UInt64(bodySize).bigEndian, as: UInt64.self)
    }

    /// What it says, read back from its own bytes: for the rare message that must be told of. Headers that are overwritten in
    /// place have their present values. `nil` where librabbitmq has no memory.
    public var content: (exchange: String, routingKey: String, properties: MessageProperties)? {
        withWireForm { exchange, routingKey, encoded in
            var (pool, encoded) = (amqp_pool_t(), encoded)
            init_amqp_pool(&pool, 4 << 10)
            defer { empty_amqp_pool(&pool) }
            let properties = encoded.withUnsafeMutableBytes { bytes -> MessageProperties? in
                var decoded: UnsafeMutableRawPointer?
                let source = amqp_bytes_t(len: bytes.count, bytes: bytes.baseAddress)
                guard amqp_decode_properties(UInt16(AMQP_BASIC_CLASS), &pool, source, &decoded) >= 0, let decoded else {
                    return nil
                }
                return MessageProperties(decoded.load(as: amqp_basic_properties_t.self))
            }
            return properties.map {
                (String(decoding: exchange, as: UTF8.self), String(decoding: routingKey, as: UTF8.self), $0)
            }
        }
    }

    /// What librabbitmq is given where it has to do the sending: names, and the properties as they stand on the wire.
    func withWireForm<Result>(
        _ body: (_ exchange: UnsafeRawBufferPointer, _ routingKey: UnsafeRawBufferPointer, _ properties: [UInt8]) ->
            Result
    ) -> Result {
        let exchange = 14
        let routingKey = exchange + Int(block[exchange - 1]) + 1
        let start = headerFrame + FrameWriter.contentHeaderStart.count
        var properties = Array(block[start..<headCount])
        if hasMessageID { properties += [UInt8(truncatingIfNeeded: idCount)] + messageID }
        properties += block[tailOffset..<(block.count - 1)]
        return body(
            UnsafeRawBufferPointer(rebasing: block[exchange..<(exchange + Int(block[exchange - 1]))]),
            UnsafeRawBufferPointer(rebasing: block[routingKey..<(routingKey + Int(block[routingKey - 1]))]), properties)
    }
}
