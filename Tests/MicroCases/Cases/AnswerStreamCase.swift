internal import AMQP
internal import ChatModel

/// `AnswerStream` late in a long answer: the event loop's part for so many tokens, the publisher's for one message.
struct AnswerStreamCase: MicroCase {
    private let sample: ScannedSample
    private let text: ScannedText
    private let tokens: Int
    private let stream: AnswerStream
    private var output: [UInt8] = []
    private var published: UInt64 = 0

    init(tokens: Int) throws(BrokenSample) {
        self.tokens = tokens
        sample = try ScannedSample(Samples.openAIChunk)
        text = sample.text
        stream = Self.makeStream()
        let past = try LongPast()
        past.forEachChunk { chunk, bytes in
            _ = stream.append(chunk, in: bytes)
            _ = stream.take(into: &output)
            output.removeAll(keepingCapacity: true)
        }
        _ = sample.bytes.withUnsafeBytes { stream.append(sample.chunk, in: $0) }
        _ = stream.take(into: &output)
    }

    static func makeStream() -> AnswerStream {
        let address = ReplyAddress(
            queue: "chat.reply.acme", job: "order-20490131-000017", customer: "acme", correlationID: "c-17",
            plan: TopologyPlan())
        return AnswerStream(
            identifier: 17, address: address, attempt: AttemptNumber(), owesReset: false,
            defaults: .init(id: "x", model: "m", created: 1), highWater: 1 << 20, onResume: {},
            onAttemptChanged: { _ in }, onTakenBack: {})
    }

    mutating func run(_ iterations: Int) -> UInt64 {
        let sample = sample
        return sample.bytes.withUnsafeBytes { bytes in
            var sum: UInt64 = 0
            for _ in 0..<iterations {
                for _ in 0..<tokens where stream.append(text, in: bytes).enqueue { sum &+= 1 }
                output.removeAll(keepingCapacity: true)
                guard case .chunk(_, more: false) = stream.take(into: &output) else { return 0 }
                published &+= 1
                stream.published(published)
                sum &+= UInt64(output.count)
            }
            return sum
        }
    }
}
