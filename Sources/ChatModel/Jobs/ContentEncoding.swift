/// What the property `content_encoding` of a job may say. Libraries set it by themselves, and most of them (Spring, kombu,
/// Quarkus) mean how the text is encoded, which is no encoding of the body.
enum ContentEncoding {
    /// Without `-`, `_` and blanks, in lower case. `binary` is what kombu says of bytes that were given to it, `charset` the
    /// beginning of `charset=utf-8`.
    private static let plain: Set<String> = [
        "", "utf8", "identity", "binary", "7bit", "8bit", "ascii", "usascii", "charset",
    ]
    /// Spring joins several with a colon (`gzip:UTF-8`), HTTP with a comma.
    private static let separators: Set<Character> = [",", ":", ";", "="]

    /// Why a body of this encoding is not read; `nil` if it is plain JSON.
    static func problem(of text: String) -> String? {
        let names = text.split { separators.contains($0) }
        guard let name = names.first(where: { !plain.contains(normalized($0)) }) else { return nil }
        return "content_encoding is \(shown(name)), and a body that is compressed or encoded is not read: publish the "
            + "JSON as it is, in UTF-8, and leave content_encoding out or set it to utf-8"
    }

    private static func normalized(_ name: Substring) -> String {
        String(name.lowercased().filter { !$0.isWhitespace && $0 != "-" && $0 != "_" })
    }

    /// The name, unless it is none: reasons are logged, and repeat no text that anybody could have written.
    private static func shown(_ name: Substring) -> String {
        let name = name.filter { !$0.isWhitespace }.lowercased()
        let isName = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x61...0x7A, 0x30...0x39, 0x2B, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        return isName && name.utf8.count <= 32 ? name : "something else than utf-8"
    }
}
