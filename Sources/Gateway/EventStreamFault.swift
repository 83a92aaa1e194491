/// What a gateway did against the form of an event stream, or against the limits set for it. The raw value is a sentence
/// for a person.
package enum EventStreamFault: String, Error, Sendable, CaseIterable, GatewayFault {
    case eventTooLarge = "an event over the size limit"
    case notUTF8 = "an event that is not UTF-8"
    case cutCharacter = "an event that ends inside a UTF-8 character"

    var closeCode: UInt16 {
        switch self {
        case .eventTooLarge: 1009
        case .notUTF8, .cutCharacter: 1007
        }
    }
}
