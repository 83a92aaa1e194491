import ChatModel

/// One request that a webhook receiver got.
public struct ReceivedWebhook: Sendable, Equatable {
    public enum Verification: Sendable, Equatable {
        case verified
        /// The signature, the timestamp or a header is wrong; the reason in words.
        case failed(String)
        /// The receiver has no secret to check with.
        case unchecked
    }

    public struct Header: Sendable, Equatable {
        /// As it was sent.
        public var name: String
        public var value: String
    }

    /// Nanoseconds since 1970.
    public var receivedAt: Int64
    public var path: String
    public var headers: [Header]
    public var body: [UInt8]
    public var verification: Verification
    /// How often this `webhook-id` has been seen, from 1; deliveries without an id count as one.
    public var attempt: Int
    /// The HTTP status that it was answered with.
    public var status: Int

    /// `type` of the body, such as `chat.completion.completed`.
    public var type: String?
    /// `data.job.customer` of the body.
    public var customer: String?
    /// `data.job.id` of the body.
    public var job: String?

    /// The value of a header; names are compared without case.
    public func header(_ name: String) -> String? {
        let wanted = name.lowercased()
        return headers.first { $0.name.lowercased() == wanted }?.value
    }

    /// `webhook-id`
    public var id: String? { header("webhook-id") }

    /// Good signature and an answer that tells the sender so.
    public var isAccepted: Bool { verification == .verified && (200..<300).contains(status) }

    init(
        receivedAt: Int64, path: String, headers: [Header], body: [UInt8], verification: Verification, attempt: Int,
        status: Int
    ) {
        self.receivedAt = receivedAt
        self.path = path
        self.headers = headers
        self.body = body
        self.verification = verification
        self.attempt = attempt
        self.status = status
        let json = try? JSONValue(parsing: body)
        self.type = json?["type"]?.stringValue
        let job = json?["data"]?["job"]
        self.customer = job?["customer"]?.stringValue
        self.job = job?["id"]?.stringValue
    }
}
