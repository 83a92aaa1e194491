import Glibc
import LibRabbitMQ

/// A bare connection to the broker with one channel, for one thread. Ends the program where the broker does not do what it
/// is asked: a benchmark has no use for half a result.
final class Link {
    let state: amqp_connection_state_t
    static let channel: amqp_channel_t = 1

    init(port: Int) {
        guard let state = amqp_new_connection(), let socket = amqp_tcp_socket_new(state) else { stop("out of memory") }
        self.state = state
        guard amqp_socket_open(socket, "127.0.0.1", Int32(port)) == AMQP_STATUS_OK.rawValue else {
            stop("no broker on port \(port)")
        }
        check(bench_login(state, "guest", "guest"), "login")
        _ = amqp_channel_open(state, Self.channel)
        check(amqp_get_rpc_reply(state), "channel")
        var on: Int32 = 1
        setsockopt(
            amqp_get_sockfd(state), Int32(IPPROTO_TCP), Int32(TCP_NODELAY), &on, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit { amqp_destroy_connection(state) }

    func check(_ reply: amqp_rpc_reply_t, _ what: String) {
        guard reply.reply_type == AMQP_RESPONSE_NORMAL else { stop("\(what) failed") }
    }

    /// - Parameter maximumLength: messages; beyond it the queue drops its oldest. 0 is no limit.
    func declare(_ queue: Name, maximumLength: Int = 0) {
        // One of an earlier scenario may have had another limit.
        _ = amqp_queue_delete(state, Self.channel, queue.bytes, 0, 0)
        check(amqp_get_rpc_reply(state), "queue.delete")
        var table = amqp_table_t()
        var entry = amqp_table_entry_t()
        let key = Name("x-max-length")
        entry.key = key.bytes
        entry.value.kind = UInt8(ascii: "l")
        entry.value.value.i64 = Int64(maximumLength)
        withUnsafeMutablePointer(to: &entry) { entry in
            if maximumLength > 0 { table = amqp_table_t(num_entries: 1, entries: entry) }
            _ = amqp_queue_declare(state, Self.channel, queue.bytes, 0, 0, 0, 0, table)
        }
        check(amqp_get_rpc_reply(state), "queue.declare")
    }

    func consume(_ queue: Name) {
        _ = amqp_basic_consume(state, Self.channel, queue.bytes, amqp_bytes_t(), 0, 1, 0, amqp_table_t())
        check(amqp_get_rpc_reply(state), "basic.consume")
    }

    func selectConfirms() {
        _ = amqp_confirm_select(state, Self.channel)
        check(amqp_get_rpc_reply(state), "confirm.select")
    }

    func publish(
        exchange: Name, routingKey: Name, _ properties: inout amqp_basic_properties_t, body: UnsafeRawBufferPointer
    ) {
        let bytes = amqp_bytes_t(len: body.count, bytes: UnsafeMutableRawPointer(mutating: body.baseAddress))
        let status = amqp_basic_publish(
            state, Self.channel, exchange.bytes, routingKey.bytes, 0, 0, &properties, bytes)
        guard status == AMQP_STATUS_OK.rawValue else { stop("basic.publish failed: \(status)") }
    }

    /// The next frame; waits at most so many microseconds, and returns `nil` where none came.
    func nextFrame(waiting microseconds: Int) -> amqp_frame_t? {
        var frame = amqp_frame_t()
        var timeout = timeval(tv_sec: microseconds / 1_000_000, tv_usec: microseconds % 1_000_000)
        switch amqp_simple_wait_frame_noblock(state, &frame, &timeout) {
        case AMQP_STATUS_OK.rawValue: return frame
        case AMQP_STATUS_TIMEOUT.rawValue: return nil
        case let status: stop("reading failed: \(status)")
        }
    }
}

/// A name in C memory that lives as long as the program.
struct Name {
    let bytes: amqp_bytes_t

    init(_ text: String) {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, text.utf8.count), alignment: 1)
        buffer.copyBytes(from: text.utf8)
        bytes = amqp_bytes_t(len: text.utf8.count, bytes: buffer.baseAddress)
    }
}

func stop(_ why: String) -> Never {
    let line = Array("bench-load: \(why)\n".utf8)
    _ = write(STDERR_FILENO, line, line.count)
    exit(70)
}
