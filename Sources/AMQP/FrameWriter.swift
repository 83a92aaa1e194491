/// The frames that open a message on `BrokerLink.channel` (AMQP 0-9-1, sections 2.3.5 and 4.2.6).
enum FrameWriter {
    static let endMark: UInt8 = 0xCE
    /// Of a frame, around its payload: type, channel, size, end mark.
    static let overhead = 8

    private static let method: UInt8 = 1
    private static let header: UInt8 = 2
    static let body: UInt8 = 3
    private static let basic: [UInt8] = [0, 60]
    private static let publish: [UInt8] = [0, 40]

    static func shortString(_ text: String, _ what: String) throws(AMQPError) -> [UInt8] {
        guard text.utf8.count <= 255 else {
            throw AMQPError(.protocolViolation, "the \(what) is longer than 255 bytes")
        }
        return [UInt8(text.utf8.count)] + text.utf8
    }

    /// A whole `basic.publish`; the last byte before the end mark has the flag for `mandatory`.
    /// - Parameters: exchange, routingKey: with their length bytes.
    static func publishMethod(exchange: [UInt8], routingKey: [UInt8]) -> [UInt8] {
        let payload = basic + publish + [0, 0] + exchange + routingKey + [0]
        return start(method, size: payload.count) + payload + [endMark]
    }

    /// Type, channel, size (0); class, weight, body size (0). The properties follow.
    static let contentHeaderStart = start(header, size: 0) + basic + [UInt8](repeating: 0, count: 10)

    private static func start(_ type: UInt8, size: Int) -> [UInt8] {
        let channel = BrokerLink.channel
        return [type, UInt8(channel >> 8), UInt8(channel & 0xFF)]
            + (0..<4).map { UInt8(truncatingIfNeeded: size >> (24 - 8 * $0)) }
    }
}
