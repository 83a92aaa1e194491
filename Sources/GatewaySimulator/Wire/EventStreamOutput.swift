import NIOCore

/// Turns messages into server-sent events (WHATWG HTML, section 9.2), many into one buffer.
struct EventStreamOutput: AnswerOutput, Sendable {
    private var buffer = ByteBuffer()
    private let lineEnd: LineEnd
    private let comments: Bool
    private let fragments: Bool
    private var generator: SeededGenerator

    init(options: SimulatedGateway.Options, seed: UInt64) {
        lineEnd = options.provider?.fixture.lineEnd ?? options.lineEnd
        comments = options.sendsComments
        fragments = options.fragmentsMessages
        generator = SeededGenerator(seed: seed)
    }

    /// Takes what was written so far; with fragments in pieces that end at any byte.
    mutating func take() -> [ByteBuffer] {
        var taken = ByteBuffer()
        swap(&taken, &buffer)
        guard fragments else { return taken.readableBytes > 0 ? [taken] : [] }
        var pieces: [ByteBuffer] = []
        while taken.readableBytes > 0 {
            let length = Int.random(in: 1...max(taken.readableBytes, 1), using: &generator)
            if let piece = taken.readSlice(length: length) { pieces.append(piece) }
        }
        return pieces
    }

    mutating func message(_ head: [UInt8], _ middle: UnsafeRawBufferPointer, _ tail: [UInt8]) {
        let end = nextEnd()
        if comments, Int.random(in: 0..<4, using: &generator) == 0 {
            buffer.writeString(": keep-alive\(end)\(end)")
        }
        buffer.writeString("data: ")
        buffer.writeBytes(head)
        buffer.writeBytes(middle)
        buffer.writeBytes(tail)
        buffer.writeString(end + end)
    }

    mutating func plainText(_ bytes: [UInt8]) {
        buffer.writeString("data: ")
        buffer.writeBytes(bytes)
        buffer.writeString("\n\n")
    }

    mutating func fragments(_ bytes: [UInt8], count: Int, pings: Bool) { message(bytes) }

    mutating func raw(_ bytes: [UInt8]) { buffer.writeBytes(bytes) }

    mutating func badFrame() {}

    private mutating func nextEnd() -> String {
        switch lineEnd {
        case .lf: "\n"
        case .crlf: "\r\n"
        case .cr: "\r"
        case .mixed: ["\n", "\r\n", "\r"][Int.random(in: 0..<3, using: &generator)]
        }
    }
}
