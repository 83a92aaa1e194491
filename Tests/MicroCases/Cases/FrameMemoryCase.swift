internal import ChatModel

/// `FrameMemory` on a chunk that follows one like it.
struct FrameMemoryCase: MicroCase {
    private let sample: ScannedSample
    private var memory = FrameMemory()

    init(_ message: [UInt8]) throws(BrokenSample) {
        sample = try ScannedSample(message)
        sample.bytes.withUnsafeBytes { _ = memory.scan($0) }
    }

    mutating func run(_ iterations: Int) -> UInt64 {
        let sample = sample
        return sample.bytes.withUnsafeBytes { bytes in
            var sum: UInt64 = 0
            for _ in 0..<iterations {
                guard case .more(let text) = memory.scan(bytes) else { return 0 }
                sum &+= UInt64(text.range.count)
            }
            return sum
        }
    }
}
