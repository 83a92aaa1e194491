/// Names of HTTP header fields (RFC 9110, section 5.1), as configurations give them.
public enum HTTPFieldName {
    /// Of the message itself, or of a trace: whoever sends a request sets them, and nobody else.
    public static let ofTheMessage: Set<String> = [
        "host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "expect",
        "trailer", "te", "upgrade", "traceparent", "tracestate",
    ]

    /// Whether it is a `token`.
    public static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }
}
