internal import Gateway
internal import NIOCore

/// The input is the body of an answer. The first byte only chooses the limit and how the body is cut.
///
/// However TCP cuts the bytes, the same events come out, then perhaps one fault; an event is UTF-8 and within its limit,
/// and no more than two lines of the input are held.
enum EventStreamCheck {
    static func run(_ input: UnsafeRawBufferPointer) throws(BrokenInvariant) {
        guard let choice = input.first else { return }
        let bytes = UnsafeRawBufferPointer(rebasing: input.dropFirst())
        let maximum = [1000, 16, 70_000, 0][Int(choice & 3)]
        var whole = Reader(maximum: maximum)
        try whole.feed(bytes, upTo: bytes.count)
        for step in [1, 2 + Int(choice >> 2)] {
            var pieces = Reader(maximum: maximum)
            var end = 0
            while end < bytes.count {
                end = min(end + step, bytes.count)
                try pieces.feed(bytes, upTo: end)
            }
            try require(pieces == whole, "the same bytes in pieces of \(step) make the same events")
        }
    }

    /// One answer's parser, and all that came out of it.
    private struct Reader: Equatable {
        /// What came out, as bytes: each event, then a byte that stands in no UTF-8.
        var trace: [UInt8] = []
        var fault: EventStreamFault?
        private var position = 0
        private var parser: EventStreamParser
        private let maximum: Int

        init(maximum: Int) {
            self.maximum = maximum
            parser = EventStreamParser(maximumEventSize: maximum)
        }

        static func == (left: Reader, right: Reader) -> Bool { left.trace == right.trace && left.fault == right.fault }

        /// Takes every whole event of `bytes[position..<end]`.
        mutating func feed(_ bytes: UnsafeRawBufferPointer, upTo end: Int) throws(BrokenInvariant) {
            while fault == nil, position < end {
                let rest = UnsafeRawBufferPointer(rebasing: bytes[position..<end])
                switch parser.next(rest) {
                case .needsMore(let used):
                    try require(used >= 0 && used <= rest.count, "no more is used than there is")
                    try require(rest.count - used <= 2 * (maximum + 8), "no more than two lines are held")
                    position += used
                    return
                case .event(let used, let event):
                    try require(used > 0 && used <= rest.count, "an event is made of bytes")
                    try take(event, in: rest)
                    position += used
                }
            }
        }

        private mutating func take(
            _ event: EventStreamParser.Event, in bytes: UnsafeRawBufferPointer
        ) throws(BrokenInvariant) {
            switch event {
            case .message(let range): try message(UnsafeRawBufferPointer(rebasing: bytes[range]))
            case .assembledMessage:
                let message = parser.assembled
                let result = message.withUnsafeReadableBytes { bytes in
                    Result { () throws(BrokenInvariant) in try self.message(bytes) }
                }
                try result.get()
                parser.discardAssembled()
                try require(parser.assembled.readableBytes == 0, "an event that was used is gone")
            case .fault(let fault): self.fault = fault
            }
            try require(parser.assembled.readableBytes <= maximum, "no more than the limit is kept")
        }

        private mutating func message(_ text: UnsafeRawBufferPointer) throws(BrokenInvariant) {
            try require(text.count <= maximum, "an event is within its limit")
            try require(String(validating: text, as: UTF8.self) != nil, "an event is UTF-8")
            trace.append(contentsOf: text)
            trace.append(0xFF)
        }
    }
}
