import CRabbitMQ
import Glibc

/// C memory for encoded names, properties and tables; all of it is freed together. One thread at a time.
final class CArena {
    private var blocks: [UnsafeMutableRawPointer] = []

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// Zeroed.
    func allocate(_ count: Int) -> UnsafeMutableRawBufferPointer {
        let buffer = UnsafeMutableRawBufferPointer.allocate(
            byteCount: max(count, 1), alignment: MemoryLayout<UInt64>.alignment)
        buffer.initializeMemory(as: UInt8.self, repeating: 0)
        if let address = buffer.baseAddress { blocks.append(address) }
        return UnsafeMutableRawBufferPointer(rebasing: buffer[..<max(count, 0)])
    }

    func bytes(_ source: some Collection<UInt8>) -> amqp_bytes_t {
        let buffer = allocate(source.count)
        buffer.copyBytes(from: source)
        return amqp_bytes_t(len: buffer.count, bytes: buffer.baseAddress)
    }

    /// A name or property: one length byte on the wire, so at most 255 bytes. (librabbitmq would cut the length and
    /// send a broken frame.)
    func shortString(_ text: String, _ what: String) throws(AMQPError) -> amqp_bytes_t {
        guard text.utf8.count <= 255 else {
            throw AMQPError(.protocolViolation, "the \(what) is longer than 255 bytes")
        }
        return bytes(text.utf8)
    }

    func array<Element>(of type: Element.Type, count: Int) -> UnsafeMutablePointer<Element>? {
        allocate(count * MemoryLayout<Element>.stride).bindMemory(to: Element.self).baseAddress
    }
}

extension amqp_bytes_t {
    /// Valid as long as librabbitmq's buffers are.
    var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: bytes, count: bytes == nil ? 0 : len) }

    /// A copy; bytes that are not UTF-8 become U+FFFD.
    var string: String { String(decoding: buffer, as: UTF8.self) }
}
