/// Why a text is not the JSON that was asked for. Holds positions and names, never the text itself.
public struct JSONError: Error, Sendable, Equatable, CustomStringConvertible {
    public enum Reason: String, Sendable {
        case unexpectedEnd = "the text ends in the middle of a value"
        case unexpectedByte = "a byte that JSON does not allow here"
        case badEscape = "an escape that JSON does not know"
        case badNumber = "a number that JSON does not allow"
        case controlCharacter = "a control character inside a string"
        case trailingBytes = "more text after the end of the value"
        case tooDeep = "nested deeper than allowed"
        case duplicateKey = "the same key twice in one object"
        case invalidUTF8 = "not UTF-8"
    }

    public var reason: Reason
    /// Bytes from the start of the text.
    public var offset: Int
    /// The key concerned, where there is one, cut to 64 characters.
    public var key: String?

    public init(_ reason: Reason, at offset: Int, key: String? = nil) {
        self.reason = reason
        self.offset = offset
        self.key = key
    }

    public var description: String {
        "\(reason.rawValue) (byte \(offset)\(key.map { ", key \"\($0)\"" } ?? ""))"
    }
}
