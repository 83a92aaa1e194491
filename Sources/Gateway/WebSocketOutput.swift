import NIOCore

/// Frames as a client sends them: final, and masked with a fresh random key (RFC 6455, section 5.3).
enum WebSocketOutput {
    /// `binary`: never to a gateway; an echo (`BareWebSocketUser`) answers in kind.
    enum Opcode: UInt8 { case text = 1, binary = 2, close = 8, ping = 9, pong = 10 }

    /// One frame of its own; the payload is copied, because masking changes it.
    static func frame(
        _ opcode: Opcode, payload: UnsafeRawBufferPointer, allocator: ByteBufferAllocator,
        mask: UInt32 = UInt32.random(in: .min ... .max)
    ) -> ByteBuffer {
        var frame = allocator.buffer(capacity: payload.count + 14)
        frame.writeInteger(0x80 | opcode.rawValue)
        switch payload.count {
        case ...125: frame.writeInteger(0x80 | UInt8(truncatingIfNeeded: payload.count))
        case ...0xFFFF:
            frame.writeInteger(0x80 | UInt8(126))
            frame.writeInteger(UInt16(truncatingIfNeeded: payload.count))
        default:
            frame.writeInteger(0x80 | UInt8(127))
            frame.writeInteger(UInt64(payload.count))
        }
        frame.writeInteger(mask)
        frame.writeWithUnsafeMutableBytes(minimumWritableBytes: payload.count) { output in
            apply(mask.bigEndian, from: payload, to: output)
            return payload.count
        }
        return frame
    }

    static func close(code: UInt16?, allocator: ByteBufferAllocator) -> ByteBuffer {
        guard let code else {
            return frame(.close, payload: UnsafeRawBufferPointer(start: nil, count: 0), allocator: allocator)
        }
        return withUnsafeBytes(of: code.bigEndian) { frame(.close, payload: $0, allocator: allocator) }
    }

    /// Eight bytes at a time: a request may carry pictures of some megabytes.
    ///
    /// - Parameter mask: the key as it lies in memory on the wire.
    private static func apply(
        _ mask: UInt32, from input: UnsafeRawBufferPointer, to output: UnsafeMutableRawBufferPointer
    ) {
        let wide = UInt64(mask) | UInt64(mask) &<< 32
        var index = 0
        while index &+ 8 <= input.count {
            let word = input.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ wide
            output.storeBytes(of: word, toByteOffset: index, as: UInt64.self)
            index &+= 8
        }
        withUnsafeBytes(of: mask) { key in
            while index < input.count {
                output[index] = input[index] ^ key[index & 3]
                index &+= 1
            }
        }
    }
}
