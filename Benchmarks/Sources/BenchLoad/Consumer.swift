import Glibc
import LibRabbitMQ

/// Reads the reply queues on one connection, without acks, and puts messages together from their frames.
final class Consumer {
    private let link: Link
    private var reply = Reply()
    private var expected = 0
    private var body: [UInt8] = []

    init(port: Int, queues: [Name]) {
        link = Link(port: port)
        for queue in queues { link.consume(queue) }
    }

    /// Takes what comes until every job has ended, or nothing came for `patience` seconds.
    func run(_ jobs: inout Jobs, until count: Int, patience: Int) {
        while jobs.ended < count {
            guard let frame = link.nextFrame(waiting: patience * 1_000_000) else { return }
            take(frame, &jobs)
            amqp_maybe_release_buffers(link.state)
        }
    }

    private func take(_ frame: amqp_frame_t, _ jobs: inout Jobs) {
        switch Int32(frame.frame_type) {
        case AMQP_FRAME_HEADER:
            guard let decoded = frame.payload.properties.decoded else { stop("a header without properties") }
            reply = Self.reply(decoded.load(as: amqp_basic_properties_t.self))
            expected = Int(frame.payload.properties.body_size)
            body.removeAll(keepingCapacity: true)
        case AMQP_FRAME_BODY:
            let part = UnsafeRawBufferPointer(
                start: frame.payload.body_fragment.bytes, count: frame.payload.body_fragment.len)
            if part.count == expected { return jobs.take(reply, part, now: Clock.now()) }
            body.append(contentsOf: part)
            if body.count == expected { body.withUnsafeBytes { jobs.take(reply, $0, now: Clock.now()) } }
        default: break
        }
    }

    private static func reply(_ properties: amqp_basic_properties_t) -> Reply {
        var reply = Reply()
        let type = UnsafeRawBufferPointer(start: properties.type.bytes, count: properties.type.len)
        reply.kind =
            switch type.count {
            case 21: type.last == UInt8(ascii: "k") ? .chunk : .reset
            case 15: .completion
            default: .error
            }
        for index in 0..<Int(properties.headers.num_entries) {
            let entry = properties.headers.entries[index]
            let key = UnsafeRawBufferPointer(start: entry.key.bytes, count: entry.key.len)
            switch key.count {
            case 5 where key[2] == UInt8(ascii: "j"): reply.job = number(entry.value.value.bytes)
            case 5 where key[2] == UInt8(ascii: "s"): reply.sequence = entry.value.value.i64
            case 9 where key[2] == UInt8(ascii: "a"): reply.attempt = entry.value.value.i64
            default: break
            }
        }
        return reply
    }

    /// Of an id `bench-NUMBER`.
    private static func number(_ text: amqp_bytes_t) -> Int? {
        let bytes = UnsafeRawBufferPointer(start: text.bytes, count: text.len)
        guard let dash = bytes.lastIndex(of: UInt8(ascii: "-")) else { return nil }
        return Int(String(decoding: bytes[(dash + 1)...], as: UTF8.self))
    }
}
