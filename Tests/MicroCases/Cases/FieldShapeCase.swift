internal import ChatModel

/// A token in the shape of another provider than OpenAI, late in a long answer: scanned, appended, and taken as a chunk.
struct FieldShapeCase: MicroCase {
    private let samples: [[UInt8]]
    private var memory = FrameMemory()
    private var log = AnswerLog(defaults: .init(id: "x", model: "m", created: 1))
    private var output: [UInt8] = []

    init(_ shape: FieldShape) throws(BrokenSample) {
        samples = shape.samples
        let past = try LongPast()
        past.forEachChunk { chunk, bytes in
            log.append(chunk, in: bytes)
            _ = log.takeChunk(into: &output)
            output.removeAll(keepingCapacity: true)
        }
        // Lanes, members and calls are there from here on, with room for all that is measured.
        for index in 0..<4_096 where token(samples[index & 1]) == 0 {
            throw BrokenSample(description: "\(shape) is no chunk with output")
        }
    }

    mutating func run(_ iterations: Int) -> UInt64 {
        var sum: UInt64 = 0
        for index in 0..<iterations {
            let size = token(samples[index & 1])
            guard size > 0 else { return 0 }
            sum &+= UInt64(size)
        }
        return sum
    }

    private mutating func token(_ message: [UInt8]) -> Int {
        message.withUnsafeBytes { bytes in
            switch memory.scan(bytes) {
            case .more(let text): log.append(text, in: bytes)
            case .chunk: log.append(memory.chunk, in: bytes)
            default: return 0
            }
            output.removeAll(keepingCapacity: true)
            return log.takeChunk(into: &output) ? output.count : 0
        }
    }
}

/// What providers write around a token.
enum FieldShape: String, CaseIterable {
    /// One unknown key whose value changes from chunk to chunk.
    case changingKey = "changing"
    case azure, reasoning, usage, arguments, openRouter = "openrouter"

    /// Two tokens that come in turn.
    var samples: [[UInt8]] { (0..<2).map { Array(text($0).utf8) } }

    private static let head =
        #""id":"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT","object":"chat.completion.chunk","created":1741569952,"model":"gpt-4.1-2025-04-14""#

    private func text(_ number: Int) -> String {
        switch self {
        case .changingKey:
            #"{\#(Self.head),"timings":{"n":\#(1_000 + number)},"choices":[{"index":0,"delta":{"content":" streaming"},"finish_reason":null}]}"#
        case .azure:
            #"{\#(Self.head),"choices":[{"index":0,"delta":{"content":" streaming"},"logprobs":null,"finish_reason":null,"content_filter_results":{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}}],"system_fingerprint":"fp_1"}"#
        case .reasoning:
            #"{\#(Self.head),"choices":[{"index":0,"delta":{"content":null,"reasoning_content":" streaming"},"finish_reason":null}]}"#
        case .usage:
            #"{\#(Self.head),"choices":[{"index":0,"delta":{"content":" streaming"},"finish_reason":null}],"usage":{"prompt_tokens":17,"completion_tokens":\#(1_000 + number),"total_tokens":\#(1_017 + number)}}"#
        case .arguments:
            #"{\#(Self.head),"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":" streaming"}}]},"logprobs":null,"finish_reason":null}]}"#
        case .openRouter:
            #"{\#(Self.head),"provider":"Together","choices":[{"index":0,"delta":{"role":"assistant","content":" streaming"},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}"#
        }
    }
}
