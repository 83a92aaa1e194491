internal import AMQP
internal import ChatModel
internal import Gateway

/// All that is done for one token while the broker is idle, but for sockets, threads and librabbitmq: a frame is cut
/// out, recognised, appended, taken, counted as published, and its confirm taken in.
struct TokenPathCase: MicroCase {
    private let frame = Samples.webSocketFrame(Samples.openAIChunk)
    private var assembler = WebSocketMessageAssembler(maximumMessageSize: 1 << 20, maximumFragments: 1_024)
    private var memory = FrameMemory()
    private let stream = AnswerStreamCase.makeStream()
    private var ready = FIFO<AnswerStream>()
    private var output: [UInt8] = []
    private var window = ConfirmWindow(size: 256)
    private var frames = FrameAssembler(channel: 1, maximumBodySize: 0, hardCap: 0)
    private var told: [UInt64] = []

    init() throws(BrokenSample) {
        let past = try LongPast()
        past.forEachChunk { chunk, bytes in
            _ = stream.append(chunk, in: bytes)
            _ = stream.take(into: &output)
            output.removeAll(keepingCapacity: true)
        }
        Samples.openAIChunk.withUnsafeBytes { bytes in
            guard case .chunk = memory.scan(bytes) else { return }
            _ = stream.append(memory.chunk, in: bytes)
        }
        _ = stream.take(into: &output)
    }

    mutating func run(_ iterations: Int) -> UInt64 {
        let frame = frame
        return frame.withUnsafeBytes { bytes in
            var sum: UInt64 = 0
            for _ in 0..<iterations {
                guard receive(bytes), publish(), confirm() else { return 0 }
                sum &+= UInt64(output.count)
            }
            return sum
        }
    }

    /// The event loop's part.
    private mutating func receive(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard case .frame(_, .message(let range)) = assembler.next(bytes) else { return false }
        let message = UnsafeRawBufferPointer(rebasing: bytes[range])
        guard case .more(let text) = memory.scan(message), stream.append(text, in: message).enqueue else {
            return false
        }
        ready.append(stream)
        return true
    }

    /// The publisher thread's.
    private mutating func publish() -> Bool {
        output.removeAll(keepingCapacity: true)
        guard let stream = ready.popFirst(), case .chunk(_, more: false) = stream.take(into: &output) else {
            return false
        }
        window.published(token: stream.identifier, notify: false)
        stream.published(window.lastPublished)
        return true
    }

    private mutating func confirm() -> Bool {
        let frame = IncomingFrame.method(
            channel: 1, .acknowledge(tag: window.lastPublished, multiple: false))
        guard case .acknowledged(let tag, let multiple)? = try? frames.consume(frame) else { return false }
        return window.acknowledged(tag, multiple: multiple, into: &told)
    }
}
