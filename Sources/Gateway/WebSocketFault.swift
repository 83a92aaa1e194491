/// What a gateway did against RFC 6455, or against the limits set for it. The raw value is a sentence for a person.
package enum WebSocketFault: String, Error, Sendable, CaseIterable, GatewayFault {
    case reservedBits = "a frame with a reserved bit set"
    case reservedOpcode = "a frame with a reserved opcode"
    case maskedFrame = "a masked frame from the server"
    case fragmentedControlFrame = "a fragmented control frame"
    case longControlFrame = "a control frame of more than 125 bytes"
    case wastefulLength = "a frame length that is not in its shortest form"
    case unexpectedContinuation = "a continuation frame without a message to continue"
    case interruptedMessage = "a new message inside a fragmented one"
    case closeTooShort = "a close frame of one byte"
    case closeCode = "a close code that may not be sent"
    case closeReasonNotUTF8 = "a close reason that is not UTF-8"
    case notUTF8 = "a message that is not UTF-8"
    case cutCharacter = "a message that ends inside a UTF-8 character"
    case messageTooLarge = "a message over the size limit"
    case tooManyFragments = "a message of too many fragments"

    /// The close code to answer with (RFC 6455, section 7.4.1).
    var closeCode: UInt16 {
        switch self {
        case .closeReasonNotUTF8, .notUTF8, .cutCharacter: 1007
        case .messageTooLarge, .tooManyFragments: 1009
        default: 1002
        }
    }
}
