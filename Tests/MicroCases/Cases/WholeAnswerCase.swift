internal import ChatModel

/// `AnswerStream` from its making to its last token: what is owed once an answer, and the growth of its text.
struct WholeAnswerCase: MicroCase {
    private let sample: ScannedSample
    private let text: ScannedText
    private let tokens: Int
    private var output: [UInt8] = []

    init(tokens: Int) throws(BrokenSample) {
        self.tokens = tokens
        sample = try ScannedSample(Samples.openAIChunk)
        text = sample.text
    }

    mutating func run(_ iterations: Int) -> UInt64 {
        let sample = sample
        return sample.bytes.withUnsafeBytes { bytes in
            var sum: UInt64 = 0
            for _ in 0..<iterations {
                let stream = AnswerStreamCase.makeStream()
                for token in 0..<tokens {
                    _ = token == 0 ? stream.append(sample.chunk, in: bytes) : stream.append(text, in: bytes)
                    output.removeAll(keepingCapacity: true)
                    guard case .chunk = stream.take(into: &output) else { return 0 }
                    stream.published(1)
                }
                sum &+= UInt64(stream.count)
            }
            return sum
        }
    }
}
