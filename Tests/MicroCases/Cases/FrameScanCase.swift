internal import ChatModel

/// A whole scan of a chunk: of two that differ beside their text, in turn, so that none is recognised.
struct FrameScanCase: MicroCase {
    private let samples: [ScannedSample]
    private var memory = FrameMemory()

    init(_ message: [UInt8]) throws(BrokenSample) { samples = try ScannedSample.pair(message) }

    mutating func run(_ iterations: Int) -> UInt64 {
        var sum: UInt64 = 0
        for index in 0..<iterations {
            guard scan(samples[index & 1]) else { return 0 }
            sum &+= UInt64(memory.chunk.outputChoices)
        }
        return sum
    }

    private mutating func scan(_ sample: ScannedSample) -> Bool {
        sample.bytes.withUnsafeBytes { memory.scan($0) == .chunk }
    }
}
