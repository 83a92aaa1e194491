import NIOCore
import NIOWebSocket

/// Joins a client's frames into messages and watches the rules of RFC 6455 for them.
struct MessageAssembler {
    enum Action: Equatable {
        case nothing
        case message(ByteBuffer)
        case ping(ByteBuffer)
        /// The client wants to close, with this code if it gave one.
        case close(UInt16?)
        /// The client broke the protocol: close with this code.
        case violation(UInt16, String)
    }

    private let maximumSize: Int
    private var parts: ByteBuffer?

    init(maximumSize: Int) {
        self.maximumSize = maximumSize
    }

    mutating func receive(_ frame: WebSocketFrame) -> Action {
        guard frame.maskKey != nil else { return .violation(1002, "a client's frames must be masked") }
        guard frame.reservedBits.isEmpty else { return .violation(1002, "no extension was agreed") }
        switch frame.opcode {
        case .text, .binary:
            guard parts == nil else { return .violation(1002, "a message within a message") }
            return append(frame.unmaskedData, to: ByteBuffer(), isLast: frame.fin)
        case .continuation:
            guard let sofar = parts else { return .violation(1002, "a continuation of nothing") }
            parts = nil
            return append(frame.unmaskedData, to: sofar, isLast: frame.fin)
        case .ping:
            return frame.fin ? .ping(frame.unmaskedData) : .violation(1002, "a control frame in fragments")
        case .pong:
            return .nothing
        case .connectionClose:
            let data = frame.unmaskedData
            return .close(data.getInteger(at: data.readerIndex, as: UInt16.self))
        default:
            return .violation(1002, "an unknown opcode")
        }
    }

    private mutating func append(_ data: ByteBuffer, to sofar: ByteBuffer, isLast: Bool) -> Action {
        guard sofar.readableBytes + data.readableBytes <= maximumSize else {
            return .violation(1009, "the message is too large")
        }
        var joined = sofar
        joined.writeImmutableBuffer(data)
        if isLast {
            return .message(joined)
        }
        parts = joined
        return .nothing
    }
}
