internal import AMQP

/// The input is a list of frames, as librabbitmq would have decoded them: `InputReader` says how. The first byte chooses
/// the limits.
///
/// A message comes out with its last byte and no sooner, holds exactly what came, and nothing over the cap is kept.
/// Frames out of order are a `protocolViolation`, and nothing else is.
enum FrameCheck {
    static func run(_ input: UnsafeRawBufferPointer) throws(BrokenInvariant) {
        var reader = InputReader(input)
        let limits: [(Int, UInt64)] = [(10, 20), (0, 0), (100, 1000), (20, 10), (1000, .max), (-1, 5)]
        let (maximum, hardCap) = limits[Int(reader.byte() ?? 0) % limits.count]
        let cap = max(hardCap, UInt64(max(maximum, 0)))
        var assembler = FrameAssembler(channel: 1, maximumBodySize: maximum, hardCap: hardCap)
        var model = ContentModel(maximum: maximum, cap: cap)
        while let frame = reader.frame() {
            let expected = model.consume(frame)
            let result = Result { () throws(AMQPError) in try assembler.consume(frame) }
            switch result {
            case .success(let event): try judge(event, expected, model)
            case .failure(let error):
                try require(expected == .violation, "a sequence that is allowed is no violation: \(error)")
                try require(error.code == .protocolViolation, "what the peer did wrong is called so")
                assembler = FrameAssembler(channel: 1, maximumBodySize: maximum, hardCap: hardCap)
            }
            try require(UInt64(assembler.body.count) <= cap, "no body over the cap is kept")
            try require(assembler.body.count <= model.received, "only what came is kept")
            try require(
                assembler.body.capacity <= 4 * max(128 << 10, model.received), "the claim of a header costs little")
        }
    }
}

extension FrameCheck {
    private static func judge(
        _ event: BrokerEvent?, _ expected: ContentModel.Outcome, _ model: ContentModel
    ) throws(BrokenInvariant) {
        switch (expected, event) {
        case (.nothing, nil): return
        case (.content(.delivery, let size, let isKept), .delivered(_, let message)?),
            (.content(.get, let size, let isKept), .got(let message)?):
            try require(message.bodySize == size, "a message has the size that was announced")
            try require(
                message.body == (isKept ? model.bytes : []), "a body is what came, or nothing where over the cap")
            try require(message.isOversize == model.isOversize(size), "a message over the limit is marked")
        case (.content(.back, let size, _), .returned(let message)?):
            try require(message.bodySize == size, "a returned message has the size that was announced")
        case (.event, let event?):
            switch event {
            case .delivered, .got, .returned: throw BrokenInvariant(description: "a content comes with its last frame")
            default: return
            }
        default: throw BrokenInvariant(description: "\(String(describing: event)) came for \(expected)")
        }
    }
}
