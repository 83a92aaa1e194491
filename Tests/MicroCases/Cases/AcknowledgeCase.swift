internal import AMQP

/// `FrameAssembler` on the broker's confirm.
struct AcknowledgeCase: MicroCase {
    private var assembler = FrameAssembler(channel: 1, maximumBodySize: 0, hardCap: 0)
    private var tag: UInt64 = 0

    mutating func run(_ iterations: Int) -> UInt64 {
        var sum: UInt64 = 0
        for _ in 0..<iterations {
            tag &+= 1
            let frame = IncomingFrame.method(channel: 1, .acknowledge(tag: tag, multiple: false))
            guard case .acknowledged(let tag, _)? = try? assembler.consume(frame) else { return 0 }
            sum &+= tag
        }
        return sum
    }
}
