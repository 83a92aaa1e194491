package import AMQP
package import ChatModel
internal import Webhooks

/// What may be said of a message in the dead-letter queue: never a word of a prompt or an answer. Pure; two readings of
/// one message are equal, so that what was shown can be found again.
package struct DeadLetter: Sendable, Hashable {
    /// What a job says of itself; `metadata` is by far the largest part.
    private static let largestBlock = 1 << 20

    package enum Kind: String, Sendable, CaseIterable { case job, webhook }

    package var kind: Kind
    /// The job's id; `nil` where none can be read. Never anything that is not an identifier.
    package var id: String?
    package var messageID: String?
    /// `webhook-id`, of webhooks.
    package var webhookID: String?
    /// As the message says it, unless a worker had verified one.
    package var customer: String?
    /// Whom a worker had verified. Believed only where the message is the worker's own.
    package var verifiedCustomer: String?
    /// For programs: `expired`, `tries_exhausted`; `unknown` where nobody says why it is here.
    package var code: String
    /// `CODE: sentence`, as it stands in the header; cut after a thousand characters.
    package var reason: String
    package var field: String?
    package var stage: String?
    package var tries: Int64?
    package var deadAt: Timestamp?
    package var originQueue: String?
    /// Times that a worker has moved the message.
    package var republished: Int
    /// After it nobody wants the answer.
    package var deadline: Timestamp?
    /// Bytes of the body.
    package var size: UInt64
    /// The body was kept whole when it was read here.
    package var isWhole: Bool
    /// The login that put it here.
    package var userID: String?
    /// That login is the worker's own.
    package var isOwn: Bool
    /// Neither a job nor a webhook: an event, or a word between workers, that the broker took nowhere else.
    package var isInternal: Bool

    /// Of what the broker takes on no other queue.
    static let undeliverable = "undeliverable"

    /// - Parameter workerUser: the login of the workers, which alone is believed.
    package init(_ delivery: Delivery, names: QueueNames, workerUser: String) {
        let properties = delivery.properties
        let headers = properties.headers
        let origin = headers.string(Republication.Header.originQueue)
        kind = Self.kind(origin, headers, names)
        isOwn = properties.userID == workerUser
        userID = properties.userID
        messageID = properties.messageID
        originQueue = origin
        size = delivery.bodySize
        isWhole = !delivery.isOversize && UInt64(delivery.body.count) == delivery.bodySize
        reason = String((headers.string(Republication.Header.reason) ?? "").prefix(1_000))
        let code = reason.prefix { $0 != ":" }
        self.code = Self.isWord(code) ? String(code) : "unknown"
        isInternal =
            isOwn && self.code == Self.undeliverable && kind == .job
            && !(origin.map { $0 == names.jobs || $0.hasPrefix("\(names.jobs).") } ?? false)
        field = headers.string(Republication.Header.reasonField)
        stage = headers.string(Republication.Header.stage).flatMap { Self.isWord($0[...]) ? $0 : nil }
        tries = headers.integer(Republication.Header.tries)
        deadAt = headers.string(Republication.Header.deadAt).flatMap(Timestamp.init(rfc3339:))
        republished = Int(clamping: min(max(headers.integer(Republication.Header.count) ?? 0, 0), 1_000_000_000))
        verifiedCustomer = isOwn ? headers.string(Republication.Header.verifiedCustomer) : nil
        switch kind {
        case .job:
            // The rest of the body is somebody's, of any size: no tree is made of it.
            let block = JSONValue(member: "job", of: delivery.body, maximumSize: Self.largestBlock)
            id = Self.identifier(block?["id"]?.stringValue ?? properties.messageID, 128)
            customer = Self.identifier(
                verifiedCustomer ?? block?["customer"]?.stringValue ?? headers.string("x-customer"), 64)
            deadline = (block?["deadline"]?.stringValue ?? headers.string("x-deadline"))
                .flatMap(Timestamp.init(rfc3339:))
        case .webhook:
            id = Self.identifier(headers.string(WebhookTask.HeaderName.job), 128)
            customer = Self.identifier(headers.string(WebhookTask.HeaderName.customer), 64)
            webhookID = headers.string(WebhookTask.HeaderName.id)
        }
    }

    /// Every name under which a person may know it.
    package var names: [String] { [id, messageID, webhookID].compactMap(\.self) }

    /// Where nobody says where it came from, its headers tell.
    private static func kind(_ origin: String?, _ headers: FieldTable, _ names: QueueNames) -> Kind {
        guard let origin else { return headers[WebhookTask.HeaderName.id] == nil ? .job : .webhook }
        return origin == names.webhooks || origin.hasPrefix("\(names.webhooks).") ? .webhook : .job
    }

    private static func identifier(_ text: String?, _ maximum: Int) -> String? {
        text.flatMap { Identifier.isValid($0, maximum: maximum) ? $0 : nil }
    }

    static func isWord(_ text: Substring) -> Bool {
        (1...64).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x61...0x7A, 0x30...0x39, 0x5F: true
                default: false
                }
            }
    }
}
