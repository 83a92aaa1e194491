import Glibc
import LibRabbitMQ

/// How long this broker takes for a lone message: published by bare librabbitmq at a steady pace, read by bare librabbitmq.
/// No worker can be faster from gateway to consumer.
struct LatencyLimit {
    var port: Int
    /// Messages a second.
    var rate: Int
    var seconds: Int

    func run() -> String {
        let link = Link(port: port)
        let queue = Name("bench.latency")
        link.declare(queue)
        let count = rate * seconds
        nonisolated(unsafe) let latency = UnsafeMutablePointer<Histogram>.allocate(capacity: 1)
        latency.initialize(to: Histogram())
        nonisolated(unsafe) let name = queue
        let reader = OSThread {
            let link = Link(port: port)
            link.consume(name)
            while latency.pointee.total < count, let frame = link.nextFrame(waiting: 10_000_000) {
                if frame.frame_type == UInt8(AMQP_FRAME_BODY), let bytes = frame.payload.body_fragment.bytes {
                    latency.pointee.add(Clock.now() - bytes.loadUnaligned(as: UInt64.self))
                }
                amqp_maybe_release_buffers(link.state)
            }
        }
        usleep(200_000)
        let (start, interval) = (Clock.now(), 1_000_000_000 / UInt64(rate))
        var properties = amqp_basic_properties_t()
        var body = [UInt8](repeating: 0x61, count: 210)
        let exchange = Name("")
        for number in 0..<count {
            let due = start + UInt64(number) * interval
            let now = Clock.now()
            if due > now { usleep(UInt32((due - now) / 1_000)) }
            body.withUnsafeMutableBytes { body in
                body.storeBytes(of: Clock.now(), as: UInt64.self)
                link.publish(
                    exchange: exchange, routingKey: queue, &properties, body: UnsafeRawBufferPointer(body))
            }
        }
        reader.join()
        return "{\"latency_ms\":\(latency.pointee.json)}"
    }
}
