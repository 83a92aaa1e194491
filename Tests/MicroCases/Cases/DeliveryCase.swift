internal import AMQP

/// `FrameAssembler` on a delivered message: method, header, one body.
struct DeliveryCase: MicroCase {
    private let body: [UInt8]
    private var assembler = FrameAssembler(channel: 1, maximumBodySize: 1 << 20)
    private let properties = MessageProperties(
        contentType: "application/json", headers: ["x-customer": .string("acme")], isPersistent: true,
        correlationID: "c-17", replyTo: "chat.reply.acme", messageID: "order-20490131-000017")

    init(size: Int) { body = Array(repeating: UInt8(ascii: "x"), count: size) }

    mutating func run(_ iterations: Int) -> UInt64 {
        let body = body
        return body.withUnsafeBytes { bytes in
            var sum: UInt64 = 0
            for tag in 1...UInt64(iterations) {
                let size = (try? deliver(tag, bytes)) ?? 0
                guard size > 0 else { return 0 }
                sum &+= UInt64(size)
            }
            return sum
        }
    }

    private mutating func deliver(_ tag: UInt64, _ bytes: UnsafeRawBufferPointer) throws(AMQPError) -> Int {
        let method = IncomingMethod.deliver(
            consumerTag: "chat-worker-1", deliveryTag: tag, redelivered: false, exchange: "chat.in", routingKey: "jobs")
        _ = try assembler.consume(.method(channel: 1, method))
        _ = try assembler.consume(
            .header(channel: 1, classID: 60, bodySize: UInt64(bytes.count), properties: properties))
        guard case .delivered(_, let message)? = try assembler.consume(.body(channel: 1, bytes)) else { return 0 }
        return message.body.count
    }
}
