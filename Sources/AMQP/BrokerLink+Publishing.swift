import CRabbitMQ
import Glibc

/// Publishing. On a plain connection the frames of many messages are gathered here and handed to the kernel with one call,
/// instead of librabbitmq's three for each message; `flush` comes before anything else is sent. What goes through TLS is
/// librabbitmq's, which does not give the TLS connection away.
extension BrokerLink {
    /// Gathered bytes beyond this are handed on at once.
    private static let mostGathered = 64 << 10

    /// - Returns: bytes that it costs in the socket.
    @discardableResult
    func publish(
        _ template: PublishTemplate, body: UnsafeRawBufferPointer, mandatory: Bool
    ) throws(AMQPError) -> Int {
        if let library { return try library.publish(template, body: body, mandatory: mandatory, on: self) }
        let before = output.count
        output.append(template, body: body, mandatory: mandatory, frameMax: Int(amqp_get_frame_max(state)))
        let size = output.count - before
        if output.count >= Self.mostGathered { try flush() }
        return size
    }

    /// Hands everything to the kernel. Where that takes no more it waits, if it may; the watchdog ends a wait that is too
    /// long.
    func flush() throws(AMQPError) {
        while !output.isEmpty {
            let sent = output.withUnsafeBytes {
                Glibc.send(fileDescriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if sent >= 0 {
                output.removeFirst(sent)
            } else if errno == EAGAIN {
                guard mayWait else { return }
                var descriptor = pollfd(fd: fileDescriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&descriptor, 1, Int32(ConnectionPoller.tick / 1_000_000))
            } else if errno != EINTR {
                output.removeAll()
                try check(AMQP_STATUS_SOCKET_ERROR.rawValue, "basic.publish")
            }
        }
    }
}

/// Publishes through librabbitmq, from a template's bytes. One thread's, like its link.
final class LibraryPublisher {
    private var pool = amqp_pool_t()

    init() { init_amqp_pool(&pool, 16 << 10) }

    deinit { empty_amqp_pool(&pool) }

    fileprivate func publish(
        _ template: PublishTemplate, body: UnsafeRawBufferPointer, mandatory: Bool, on link: BrokerLink
    ) throws(AMQPError) -> Int {
        let status = template.withWireForm { exchange, routingKey, encoded in
            var encoded = encoded
            return encoded.withUnsafeMutableBytes { bytes in
                var decoded: UnsafeMutableRawPointer?
                let source = amqp_bytes_t(len: bytes.count, bytes: bytes.baseAddress)
                let status = amqp_decode_properties(UInt16(AMQP_BASIC_CLASS), &pool, source, &decoded)
                guard status >= 0, let decoded else { return status }
                return amqp_basic_publish(
                    link.state, BrokerLink.channel, amqp_bytes_t(exchange), amqp_bytes_t(routingKey), mandatory ? 1 : 0,
                    0, decoded.assumingMemoryBound(to: amqp_basic_properties_t.self), amqp_bytes_t(body))
            }
        }
        recycle_amqp_pool(&pool)
        try link.check(status, "basic.publish")
        return template.size + body.count
    }
}

extension amqp_bytes_t {
    /// Borrowed: for one call.
    fileprivate init(_ bytes: UnsafeRawBufferPointer) {
        self.init(len: bytes.count, bytes: UnsafeMutableRawPointer(mutating: bytes.baseAddress))
    }
}
