/// A symmetric key of Standard Webhooks: `whsec_` and the base64 of 24-64 bytes. It never prints itself.
public struct WebhookSecret: Sendable, Equatable {
    /// What is wrong with a secret; never a part of it.
    public enum Invalid: Error, Equatable, CustomStringConvertible {
        case missingPrefix
        case notBase64
        case wrongLength(bytes: Int)

        public var description: String {
            switch self {
            case .missingPrefix: "a webhook secret starts with whsec_"
            case .notBase64: "what follows whsec_ is not padded base64"
            case .wrongLength(let bytes): "a webhook secret has 24 to 64 bytes, this one \(bytes)"
            }
        }
    }

    public static let prefix = "whsec_"
    /// From the specification.
    public static let lengths = 24...64

    let key: [UInt8]

    /// Strict: no white space around it, padding as the reference libraries ask for it.
    public init(_ text: some StringProtocol) throws(Invalid) {
        guard text.utf8.starts(with: Self.prefix.utf8) else { throw .missingPrefix }
        guard let key = Base64.decode(text.utf8.dropFirst(Self.prefix.utf8.count)) else { throw .notBase64 }
        try self.init(key: key)
    }

    public init(key: [UInt8]) throws(Invalid) {
        guard Self.lengths.contains(key.count) else { throw .wrongLength(bytes: key.count) }
        self.key = key
    }

    /// A new one of 32 bytes.
    public static func random() -> WebhookSecret {
        var generator = SystemRandomNumberGenerator()
        return WebhookSecret(unchecked: (0..<32).map { _ in UInt8.random(in: .min ... .max, using: &generator) })
    }

    private init(unchecked key: [UInt8]) {
        self.key = key
    }

    /// The secret itself, for the one who is to hold it. Never for a log.
    public func reveal() -> String {
        Self.prefix + Base64.encode(self.key)
    }
}

extension WebhookSecret: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public var description: String { "whsec_(redacted)" }
    public var debugDescription: String { self.description }
    public var customMirror: Mirror { Mirror(self, children: []) }
}
