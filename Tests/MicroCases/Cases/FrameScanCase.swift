internal import ChatModel

/// `FrameScanner` on one chunk.
struct FrameScanCase: MicroCase {
    private let sample: ScannedSample

    init(_ message: [UInt8]) throws(BrokenSample) { sample = try ScannedSample(message) }

    func run(_ iterations: Int) -> UInt64 {
        sample.bytes.withUnsafeBytes { bytes in
            var sum: UInt64 = 0
            for _ in 0..<iterations {
                guard case .chunk(let chunk) = FrameScanner.scan(bytes) else { return 0 }
                sum &+= UInt64(chunk.content.count)
            }
            return sum
        }
    }
}
