import Glibc
import LibRabbitMQ

/// What bare librabbitmq and this broker do: messages of a chunk's size and headers, with confirms in a window.
struct PublishLimit {
    var port: Int
    var messages: Int
    var window = 1000

    func run() -> String {
        let link = Link(port: port)
        let queue = Name("bench.limit")
        link.declare(queue)
        link.selectConfirms()
        // Somebody takes them, as a reader of replies does.
        let reader = Reader(port: port, queue: queue, count: messages)
        let body = [UInt8](repeating: 0x61, count: 210)
        var entries = ["x-job", "x-customer", "x-run"].map { Self.entry($0, "bench-1000000") }
        entries += ["x-attempt", "x-seq", "x-offset"].map { Self.entry($0, 1) }
        let names = (Name("application/json"), Name("bench-1000000/1/1000"), Name("chat.completion.chunk"), Name(""))
        var confirms = Confirms(count: messages)
        let (start, processor) = (Clock.now(), Self.threadProcessor())
        entries.withUnsafeMutableBufferPointer { entries in
            var properties = amqp_basic_properties_t()
            properties._flags = UInt32(
                AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG | AMQP_BASIC_HEADERS_FLAG
                    | AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TYPE_FLAG)
            properties.content_type = names.0.bytes
            properties.delivery_mode = 1
            properties.message_id = names.1.bytes
            properties.type = names.2.bytes
            properties.headers = amqp_table_t(num_entries: Int32(entries.count), entries: entries.baseAddress)
            while confirms.published < messages {
                while confirms.outstanding >= window { Self.settle(link, &confirms) }
                body.withUnsafeBytes { link.publish(exchange: names.3, routingKey: queue, &properties, body: $0) }
                confirms.published += 1
            }
            while confirms.outstanding > 0 { Self.settle(link, &confirms) }
        }
        let seconds = Double(Clock.now() - start) / 1e9
        let used = Self.threadProcessor() - processor
        reader.wait()
        return "{\"messages_per_s\":\(Int(Double(messages) / seconds)),"
            + "\"cpu_us_per_message\":\(Double(used) / 1_000 / Double(messages))}"
    }

    private static func settle(_ link: Link, _ confirms: inout Confirms) {
        guard let frame = link.nextFrame(waiting: 10_000_000) else { stop("no confirm within 10 s") }
        confirms.take(frame)
        amqp_maybe_release_buffers(link.state)
    }

    private static func entry(_ key: String, _ text: String) -> amqp_table_entry_t {
        var entry = amqp_table_entry_t()
        entry.key = Name(key).bytes
        entry.value.kind = UInt8(ascii: "S")
        entry.value.value.bytes = Name(text).bytes
        return entry
    }

    private static func entry(_ key: String, _ number: Int64) -> amqp_table_entry_t {
        var entry = amqp_table_entry_t()
        entry.key = Name(key).bytes
        entry.value.kind = UInt8(ascii: "l")
        entry.value.value.i64 = number
        return entry
    }

    /// Processor time of this thread, in nanoseconds.
    private static func threadProcessor() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

/// Takes messages off a queue on a thread of its own, and does nothing with them.
private final class Reader: Sendable {
    private let thread: OSThread

    init(port: Int, queue: Name, count: Int) {
        nonisolated(unsafe) let queue = queue
        thread = OSThread {
            let link = Link(port: port)
            link.consume(queue)
            var taken = 0
            while taken < count, let frame = link.nextFrame(waiting: 10_000_000) {
                if frame.frame_type == UInt8(AMQP_FRAME_BODY) { taken += 1 }
                amqp_maybe_release_buffers(link.state)
            }
        }
    }

    func wait() { thread.join() }
}
