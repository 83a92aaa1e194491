/// Where a job wants its result: a URL, or the name of an endpoint of the configuration.
public enum WebhookTarget: Sendable, Hashable {
    /// In its normal form.
    case url(String)
    case endpoint(String)

    /// What a job says in `job.webhook`. Whatever could be a name is one; anything else has to be a URL.
    public init(parsing text: String) throws(WebhookError) {
        if Self.isEndpointName(text) {
            self = .endpoint(text)
            return
        }
        guard text.contains(":") || text.contains("/") else { throw .invalidEndpointName }
        do {
            self = .url(try WebhookURL(parsing: text).text)
        } catch {
            throw .invalidURL(error)
        }
    }

    /// 1-64 of `[A-Za-z0-9_.-]`.
    public static func isEndpointName(_ text: String) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"):
                    true
                default: false
                }
            }
    }

    /// The inverse of `init(parsing:)`.
    public var text: String {
        switch self {
        case .url(let text), .endpoint(let text): text
        }
    }
}
