internal import Gateway
internal import NIOCore

/// The input is what a gateway sends after the upgrade. The first byte only chooses the limits.
///
/// However TCP cuts the bytes, the same messages come out, then perhaps one fault; a message is UTF-8 and within its
/// limit, and no more than the limit is kept.
enum WebSocketCheck {
    static func run(_ input: UnsafeRawBufferPointer) throws(BrokenInvariant) {
        guard let choice = input.first else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: input.dropFirst())
        let (size, fragments) = [(1000, 16), (16, 3), (70_000, 2), (0, 1)][Int(choice & 3)]
        var whole = Reader(maximum: size, fragments: fragments)
        try whole.feed(bytes, upTo: bytes.count)
        for step in [1, 2 + Int(choice >> 2)] {
            var pieces = Reader(maximum: size, fragments: fragments)
            var end = 0
            while end < bytes.count {
                end = min(end + step, bytes.count)
                try pieces.feed(bytes, upTo: end)
            }
            try require(pieces == whole, "the same bytes in pieces of \(step) make the same messages")
        }
    }

    /// One connection's assembler, and all that came out of it.
    private struct Reader: Equatable {
        var position = 0
        /// What came out, as bytes: a kind, then the payload, then a byte that stands in no UTF-8.
        var trace: [UInt8] = []
        var fault: WebSocketFault?
        private var assembler: WebSocketMessageAssembler
        private let maximum: Int

        init(maximum: Int, fragments: Int) {
            self.maximum = maximum
            assembler = WebSocketMessageAssembler(maximumMessageSize: maximum, maximumFragments: fragments)
        }

        static func == (left: Reader, right: Reader) -> Bool {
            left.position == right.position && left.trace == right.trace && left.fault == right.fault
        }

        /// Takes every whole frame of `bytes[position..<end]`.
        mutating func feed(_ bytes: UnsafeRawBufferPointer, upTo end: Int) throws(BrokenInvariant) {
            while fault == nil, position < end {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
                guard case .frame(let size, let event) = assembler.next(rest) else { return }
                try require(size >= 2 && size <= rest.count, "a frame is as long as its bytes")
                try take(event, in: rest)
                position += size
            }
        }

        private mutating func take(
            _ event: WebSocketMessageAssembler.Event, in frame: UnsafeRawBufferPointer
        ) throws(BrokenInvariant) {
            switch event {
            case .fragment: trace.append(0)
            case .message(let range): try message(UnsafeRawBufferPointer(rebasing: frame[range]))
            case .assembledMessage:
                let message = assembler.assembled
                let result = message.withUnsafeReadableBytes { bytes in
                    Result { () throws(BrokenInvariant) in try self.message(bytes) }
                }
                try result.get()
                assembler.discardAssembled()
                try require(assembler.assembled.readableBytes == 0, "a message that was used is gone")
            case .ping(let range):
                try require(range.count <= 125, "a ping is short")
                trace.append(2)
                trace.append(contentsOf: frame[range])
            case .pong: trace.append(3)
            case .close(let code): trace.append(contentsOf: [4, UInt8(truncatingIfNeeded: code ?? 0)])
            case .fault(let fault): self.fault = fault
            }
            trace.append(0xFF)
            try require(assembler.assembled.readableBytes <= maximum, "no more than the limit is kept")
        }

        private mutating func message(_ text: UnsafeRawBufferPointer) throws(BrokenInvariant) {
            try require(text.count <= maximum, "a message is within its limit")
            try require(String(validating: text, as: UTF8.self) != nil, "a message is UTF-8")
            trace.append(1)
            trace.append(contentsOf: text)
        }
    }
}
