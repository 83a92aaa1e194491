import ChatModel
package import NIOCore

/// Turns the bytes after an upgrade into messages, as strictly as RFC 6455 asks of a client.
///
/// Pure: no socket, no clock. NIOWebSocket's own decoder is not used, because it allocates for every frame, hides
/// whether a length was in its shortest form, and judges a frame only when all of it is there. Text is judged as it
/// arrives, also within a frame. A message of one frame is never copied: its range in the caller's bytes is handed out.
/// Fragments are gathered in `assembled`.
package struct WebSocketMessageAssembler {
    package enum Event: Equatable {
        /// A part of a message whose end is still to come.
        case fragment
        /// A whole message in one frame: its payload in the bytes given to `next`.
        case message(Range<Int>)
        /// A whole message of several frames stands in `assembled`; call `discardAssembled()` after use.
        case assembledMessage
        case ping(Range<Int>)
        case pong
        /// `nil`: the frame had no code.
        case close(UInt16?)
        /// Nothing after this can be trusted.
        case fault(WebSocketFault)
    }

    package enum Step: Equatable {
        case needsMore
        /// `size` bytes were used up.
        case frame(size: Int, Event)
    }

    /// Bytes of a fragmented message so far.
    package private(set) var assembled = ByteBuffer()
    /// The message that is open, or was handed out last, came as binary.
    package private(set) var isBinary = false
    private let maximumMessageSize: Int
    private let maximumFragments: Int
    private let isBinaryText: Bool
    private var utf8 = UTF8Validator()
    /// Frames of the open message; zero: none is open.
    private var fragments = 0
    /// Bytes of the payload at hand that `utf8` has seen, while the rest of its frame is still to come.
    private var checked = 0

    /// Kept for the next fragmented message up to this capacity, so that thousands of connections stay small.
    private static let keptCapacity = 4096

    /// - Parameter isBinaryText: binary messages must be UTF-8 as well; to a gateway both carry JSON.
    package init(maximumMessageSize: Int, maximumFragments: Int, isBinaryText: Bool = true) {
        self.maximumMessageSize = maximumMessageSize
        self.maximumFragments = maximumFragments
        self.isBinaryText = isBinaryText
    }

    /// A fragmented message has begun and not ended.
    var isInsideMessage: Bool { fragments > 0 }

    /// Reads the next frame at the start of `bytes`. After `needsMore` the same bytes have to come again, with more behind
    /// them.
    package mutating func next(_ bytes: UnsafeRawBufferPointer) -> Step {
        guard bytes.count >= 2 else { return .needsMore }
        let opcode = bytes[0] & 0x0F
        let isFinal = bytes[0] & 0x80 != 0
        if let fault = faultInStart(bytes[0], bytes[1]) { return .frame(size: 2, .fault(fault)) }

        var length = UInt64(bytes[1] & 0x7F)
        var start = 2
        if length == 126 {
            guard bytes.count >= 4 else { return .needsMore }
            length = UInt64(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            start = 4
            if length < 126 { return .frame(size: start, .fault(.wastefulLength)) }
        } else if length == 127 {
            guard bytes.count >= 10 else { return .needsMore }
            length = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            start = 10
            if length <= UInt64(UInt16.max) { return .frame(size: start, .fault(.wastefulLength)) }
        }
        let isControl = opcode >= 8
        let room = isControl ? 125 : maximumMessageSize &- assembled.readableBytes
        guard length <= UInt64(clamping: room) else { return .frame(size: start, .fault(.messageTooLarge)) }
        let end = start &+ Int(length)
        if !isControl { return data(opcode, isFinal: isFinal, bytes, start..<end) }
        guard bytes.count >= end else { return .needsMore }
        return .frame(size: end, control(opcode, bytes, start..<end))
    }

    /// Makes room for the next fragmented message.
    package mutating func discardAssembled() {
        if assembled.capacity > Self.keptCapacity {
            assembled = ByteBuffer()
        } else {
            assembled.clear()
        }
    }

    /// What the first two bytes of a frame already show to be wrong.
    private func faultInStart(_ first: UInt8, _ second: UInt8) -> WebSocketFault? {
        if first & 0x70 != 0 { return .reservedBits }
        if second & 0x80 != 0 { return .maskedFrame }
        switch first & 0x0F {
        case 0:
            if fragments == 0 { return .unexpectedContinuation }
            if fragments >= maximumFragments { return .tooManyFragments }
        case 1, 2:
            if fragments > 0 { return .interruptedMessage }
        case 8, 9, 10:
            if first & 0x80 == 0 { return .fragmentedControlFrame }
            if second & 0x7F > 125 { return .longControlFrame }
        default: return .reservedOpcode
        }
        return nil
    }

    private mutating func data(
        _ opcode: UInt8, isFinal: Bool, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>
    ) -> Step {
        if opcode != 0 { isBinary = opcode == 2 }
        let isText = isBinaryText || !isBinary
        let arrived = min(bytes.count, payload.upperBound)
        if isText {
            let fresh = UnsafeRawBufferPointer(rebasing: bytes[(payload.lowerBound &+ checked)..<arrived])
            // The size is that of the header, however much of the payload it took to see the fault.
            guard utf8.consume(fresh) else { return .frame(size: payload.lowerBound, .fault(.notUTF8)) }
        }
        guard arrived == payload.upperBound else {
            checked = arrived &- payload.lowerBound
            return .needsMore
        }
        checked = 0
        let isSingle = isFinal && fragments == 0
        if isFinal {
            guard !isText || utf8.isAtBoundary else { return .frame(size: arrived, .fault(.cutCharacter)) }
            fragments = 0
        } else {
            fragments &+= 1
        }
        if isSingle { return .frame(size: arrived, .message(payload)) }
        assembled.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[payload]))
        return .frame(size: arrived, isFinal ? .assembledMessage : .fragment)
    }

    private func control(_ opcode: UInt8, _ bytes: UnsafeRawBufferPointer, _ payload: Range<Int>) -> Event {
        switch opcode {
        case 9: return .ping(payload)
        case 10: return .pong
        default: break
        }
        if payload.isEmpty { return .close(nil) }
        guard payload.count >= 2 else { return .fault(.closeTooShort) }
        let code = UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: payload.lowerBound, as: UInt16.self))
        guard Self.mayBeSent(code) else { return .fault(.closeCode) }
        var reason = UTF8Validator()
        let text = UnsafeRawBufferPointer(rebasing: bytes[(payload.lowerBound &+ 2)..<payload.upperBound])
        guard reason.consume(text), reason.isAtBoundary else { return .fault(.closeReasonNotUTF8) }
        return .close(code)
    }

    /// RFC 6455, section 7.4, and IANA's registry: 1004 to 1006 and 1015 never stand in a frame.
    static func mayBeSent(_ code: UInt16) -> Bool {
        switch code {
        case 1000...1003, 1007...1014, 3000...4999: true
        default: false
        }
    }
}
