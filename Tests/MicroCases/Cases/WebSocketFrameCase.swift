internal import Gateway

/// `WebSocketMessageAssembler` on a message of one frame.
struct WebSocketFrameCase: MicroCase {
    private let frame: [UInt8]
    private var assembler = WebSocketMessageAssembler(maximumMessageSize: 1 << 20, maximumFragments: 1_024)

    init(payload: [UInt8]) { frame = Samples.webSocketFrame(payload) }

    mutating func run(_ iterations: Int) -> UInt64 {
        let frame = frame
        return frame.withUnsafeBytes { bytes in
            var sum: UInt64 = 0
            for _ in 0..<iterations {
                guard case .frame(_, .message(let range)) = assembler.next(bytes) else { return 0 }
                sum &+= UInt64(range.count)
            }
            return sum
        }
    }
}
