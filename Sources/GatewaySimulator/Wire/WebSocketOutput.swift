import NIOCore

/// Turns messages into WebSocket frames of a server (never masked, RFC 6455 section 5.2), many into one buffer.
struct WebSocketOutput: AnswerOutput, Sendable {
    private(set) var buffer = ByteBuffer()
    private let frames: SimulatedGateway.FrameKind
    private let fragments: Bool
    private var generator: SeededGenerator
    private var scratch = ByteBuffer()

    init(frames: SimulatedGateway.FrameKind, fragments: Bool, seed: UInt64) {
        self.frames = frames
        self.fragments = fragments
        self.generator = SeededGenerator(seed: seed)
    }

    /// Takes what was written so far. The storage is used again once the channel has let go of it.
    mutating func take() -> ByteBuffer {
        let taken = buffer
        if buffer.capacity > 4096 {
            buffer = ByteBuffer()
        } else {
            buffer.clear(minimumCapacity: 0)
        }
        return taken
    }

    /// One message made of three parts; the parts are copied once.
    mutating func message(_ head: [UInt8], _ middle: UnsafeRawBufferPointer, _ tail: [UInt8]) {
        guard fragments else {
            writeHeader(fin: true, opcode: messageOpcode(), length: head.count + middle.count + tail.count)
            buffer.writeBytes(head)
            buffer.writeBytes(middle)
            buffer.writeBytes(tail)
            return
        }
        scratch.clear()
        scratch.writeBytes(head)
        scratch.writeBytes(middle)
        scratch.writeBytes(tail)
        writeFragments()
    }

    /// A text message in one frame.
    mutating func plainText(_ bytes: [UInt8]) {
        writeHeader(fin: true, opcode: 0x1, length: bytes.count)
        buffer.writeBytes(bytes)
    }

    mutating func fragments(_ bytes: [UInt8], count: Int, pings: Bool) {
        for index in 0..<count {
            let part = bytes[(index * bytes.count / count)..<((index + 1) * bytes.count / count)]
            writeHeader(fin: index == count - 1, opcode: index == 0 ? 0x1 : 0x0, length: part.count)
            buffer.writeBytes(part)
            if pings { control(opcode: 0x9, payload: ByteBuffer(string: "between fragments")) }
        }
    }

    /// An empty text frame with RSV1 set.
    mutating func badFrame() { buffer.writeBytes([0xC1, 0x00]) }

    mutating func pong(_ payload: ByteBuffer) {
        control(opcode: 0xA, payload: payload)
    }

    /// A close frame; without a code it has no body.
    mutating func close(code: UInt16?, reason: String = "") {
        var payload = ByteBuffer()
        if let code {
            payload.writeInteger(code)
            payload.writeString(reason)
        }
        control(opcode: 0x8, payload: payload)
    }

    private mutating func control(opcode: UInt8, payload: ByteBuffer) {
        let body = payload.getSlice(at: payload.readerIndex, length: min(payload.readableBytes, 125)) ?? ByteBuffer()
        writeHeader(fin: true, opcode: opcode, length: body.readableBytes)
        buffer.writeImmutableBuffer(body)
    }

    private mutating func messageOpcode() -> UInt8 {
        switch frames {
        case .text: 0x1
        case .binary: 0x2
        case .mixed: Bool.random(using: &generator) ? 0x1 : 0x2
        }
    }

    /// One to four fragments cut at any byte, some of them empty, sometimes with a ping in between.
    private mutating func writeFragments() {
        var opcode = messageOpcode()
        for left in stride(from: Int.random(in: 0...3, using: &generator), through: 0, by: -1) {
            let length =
                left == 0 ? scratch.readableBytes : Int.random(in: 0...scratch.readableBytes, using: &generator)
            writeHeader(fin: left == 0, opcode: opcode, length: length)
            if var slice = scratch.readSlice(length: length) {
                buffer.writeBuffer(&slice)
            }
            opcode = 0x0
            if left > 0, Int.random(in: 0..<8, using: &generator) == 0 {
                control(opcode: 0x9, payload: ByteBuffer(string: "between fragments"))
            }
        }
    }

    private mutating func writeHeader(fin: Bool, opcode: UInt8, length: Int) {
        buffer.writeInteger((fin ? 0x80 : 0) | opcode)
        if length < 126 {
            buffer.writeInteger(UInt8(truncatingIfNeeded: length))
        } else if length <= Int(UInt16.max) {
            buffer.writeInteger(UInt8(126))
            buffer.writeInteger(UInt16(truncatingIfNeeded: length))
        } else {
            buffer.writeInteger(UInt8(127))
            buffer.writeInteger(UInt64(length))
        }
    }
}
