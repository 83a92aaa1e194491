internal import ChatModel

/// The members of a JSON object as they stand in its text. Written apart from `JSONCursor`, which it is to check: it
/// knows nothing but quotes, backslashes and brackets, and so wants a text that was accepted already.
struct RawObject {
    struct Member: Equatable {
        var name: String
        /// From the opening quote of the key to the end of the value.
        var text: [UInt8]
        /// From the first byte of the value.
        var value: ArraySlice<UInt8> = []
    }

    private(set) var members: [Member] = []

    /// - Parameter text: an object that a strict parser has accepted.
    init(_ text: [UInt8]) {
        guard let open = text.firstIndex(of: UInt8(ascii: "{")), let close = text.lastIndex(of: UInt8(ascii: "}"))
        else {
            return
        }
        var start = open + 1
        var colon: Int?
        var depth = 0
        var isInString = false
        var index = start
        while index <= close {
            let byte = text[index]
            switch byte {
            case UInt8(ascii: "\\") where isInString: index += 1
            case UInt8(ascii: "\""): isInString.toggle()
            case _ where isInString: break
            case UInt8(ascii: ":") where depth == 0: colon = colon ?? index
            case UInt8(ascii: ",") where depth == 0, UInt8(ascii: "}") where index == close:
                if let colon { append(text, start, colon, index) }
                start = index + 1
                colon = nil
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            index += 1
        }
    }

    private mutating func append(_ text: [UInt8], _ start: Int, _ colon: Int, _ end: Int) {
        let whole = Self.trimmed(text[start..<end])
        let key = Self.trimmed(text[start..<colon])
        guard case .string(let name)? = try? JSONValue(parsing: key) else { return }
        members.append(Member(name: name, text: Array(whole), value: Self.trimmed(text[(colon + 1)..<end])))
    }

    private static func trimmed(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 || $0 == 0x0A || $0 == 0x0D }
        var text = text.drop(while: isSpace)
        while let last = text.last, isSpace(last) { text.removeLast() }
        return text
    }
}
