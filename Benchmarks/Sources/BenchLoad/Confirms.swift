import LibRabbitMQ

/// Counts confirms on one channel: the broker numbers messages from 1.
struct Confirms {
    var published = 0
    private var confirmed = 0
    private var isConfirmed: [Bool]
    private var base = 1

    /// - Parameter count: messages that will be published, at most.
    init(count: Int) { isConfirmed = [Bool](repeating: false, count: count + 1) }

    var outstanding: Int { published - confirmed }

    mutating func take(_ frame: amqp_frame_t) {
        guard frame.frame_type == UInt8(AMQP_FRAME_METHOD), let decoded = frame.payload.method.decoded else { return }
        guard frame.payload.method.id != 0x003C_0078 else { stop("the broker refused a message") }
        guard frame.payload.method.id == 0x003C_0050 else { return }
        let ack = decoded.load(as: amqp_basic_ack_t.self)
        let tag = Int(ack.delivery_tag)
        guard isConfirmed.indices.contains(tag) else { stop("message \(tag) was never published") }
        if ack.multiple == 0 { return settle(tag) }
        while base <= tag {
            settle(base)
            base += 1
        }
    }

    private mutating func settle(_ number: Int) {
        guard !isConfirmed[number] else { return }
        isConfirmed[number] = true
        confirmed += 1
    }
}
