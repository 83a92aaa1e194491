internal import ChatModel

/// `AnswerLog` late in a long answer: so many tokens come, one chunk joins them.
struct AnswerLogCase: MicroCase {
    private let sample: ScannedSample
    private let text: ScannedText
    private let tokens: Int
    private var log: AnswerLog
    private var output: [UInt8] = []

    init(tokens: Int) throws(BrokenSample) {
        self.tokens = tokens
        sample = try ScannedSample(Samples.openAIChunk)
        text = sample.text
        log = AnswerLog(defaults: .init(id: "x", model: "m", created: 1))
        let past = try LongPast()
        past.forEachChunk { chunk, bytes in
            log.append(chunk, in: bytes)
            _ = log.takeChunk(into: &output)
            output.removeAll(keepingCapacity: true)
        }
        sample.bytes.withUnsafeBytes { log.append(sample.chunk, in: $0) }
        _ = log.takeChunk(into: &output)
    }

    mutating func run(_ iterations: Int) -> UInt64 {
        let sample = sample
        return sample.bytes.withUnsafeBytes { bytes in
            var sum: UInt64 = 0
            for _ in 0..<iterations {
                for _ in 0..<tokens { log.append(text, in: bytes) }
                output.removeAll(keepingCapacity: true)
                guard log.takeChunk(into: &output) else { return 0 }
                sum &+= UInt64(output.count)
            }
            return sum
        }
    }
}

/// What an answer has behind it: enough text that its buffer, which doubles, has room for all that is measured.
struct LongPast {
    private static let count = 640
    private let sample: ScannedSample

    init() throws(BrokenSample) { sample = try ScannedSample(Samples.longChunk) }

    func forEachChunk(_ body: (ScannedChunk, UnsafeRawBufferPointer) -> Void) {
        sample.bytes.withUnsafeBytes { bytes in
            for _ in 0..<Self.count { body(sample.chunk, bytes) }
        }
    }
}
