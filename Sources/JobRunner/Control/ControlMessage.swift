package import AMQP
package import ChatModel

/// What stands in the stream `PREFIX.control`, in the order that holds for all workers.
package enum ControlMessage: Sendable, Equatable {
    /// From a backend or an operator: the job shall not run, or not go on.
    case cancel(Cancel)
    /// A worker took a job that another one may still stream.
    case claim(JobKey, attempt: Int64)
    /// A worker has ended a job as cancelled: the cancel is used up.
    case cancelled(JobKey)
    /// A worker has ended a job whose ack may not have arrived.
    case finished(JobKey, FinishedDelivery)
    /// A worker's own mark: what was written before it has been read when it is read.
    case sync(String)

    package struct Cancel: Sendable, Equatable {
        package var key: JobKey
        /// Seconds since 1970 when it was sent, where its sender says so.
        var time: Int64?
        /// Where it stands in the stream.
        var offset: Int64
    }

    /// Why a message says nothing. Never quotes it.
    package struct Unreadable: Error, Equatable { package var reason: String }

    private enum Kind {
        static let claim = "claim"
        static let cancelled = "cancelled"
        static let finished = "finished"
        static let sync = "sync"
        /// The mark of a replay, which only its sender reads.
        static let mark = "mark"
    }

    private static let longestBody = 16 << 10

    // MARK: Reading

    /// `nil` for what is not meant for workers. A worker's own kinds are believed under a worker's login only; a cancel
    /// may come from whoever may publish to the intake exchange, for the customers that he may speak for.
    ///
    /// - Parameter customers: where a job's customer is taken from.
    package init?(
        _ delivery: Delivery, workerUser: String, customers: JobRules.CustomerSource
    ) throws(Unreadable) {
        let properties = delivery.properties
        guard delivery.body.count <= Self.longestBody else { throw Unreadable(reason: "it is too large") }
        let isWorkers = properties.userID == workerUser
        if isWorkers, properties.type == Kind.mark { return nil }
        let body = try Self.object(delivery.body)
        if isWorkers, let type = properties.type, let message = try Self.workers(type, body) {
            self = message
            return
        }
        self = .cancel(try Self.cancel(delivery, body, isWorkers: isWorkers, customers))
    }

    private static func object(_ bytes: [UInt8]) throws(Unreadable) -> JSONValue {
        if bytes.isEmpty { return .object([]) }
        guard let value = try? JSONValue(parsing: bytes), case .object = value else {
            throw Unreadable(reason: "its body is no JSON object")
        }
        return value
    }

    private static func workers(_ type: String, _ body: JSONValue) throws(Unreadable) -> ControlMessage? {
        switch type {
        case Kind.sync: return .sync(body["mark"]?.stringValue ?? "")
        case Kind.claim:
            guard let attempt = body["attempt"]?.integerValue else { throw Unreadable(reason: "attempt is missing") }
            return .claim(try key(body), attempt: Int64(attempt))
        case Kind.cancelled: return .cancelled(try key(body))
        case Kind.finished:
            guard let republishes = body["republishes"]?.integerValue, let count = body["delivery_count"]?.integerValue,
                let body64 = body["body"]?.stringValue.flatMap({ UInt64($0, radix: 16) }),
                (0...AttemptNumber.mostRepublishes).contains(republishes), count >= 0
            else { throw Unreadable(reason: "its delivery is missing") }
            return .finished(
                try key(body), FinishedDelivery(republishes: republishes, deliveryCount: count, bodyHash: body64))
        default: return nil
        }
    }

    private static func key(_ body: JSONValue) throws(Unreadable) -> JobKey {
        guard let id = body["id"]?.stringValue, let customer = body["customer"]?.stringValue else {
            throw Unreadable(reason: "id or customer is missing")
        }
        return JobKey(customer: customer, id: id)
    }

    private static func cancel(
        _ delivery: Delivery, _ body: JSONValue, isWorkers: Bool, _ customers: JobRules.CustomerSource
    ) throws(Unreadable) -> Cancel {
        let properties = delivery.properties
        let header = properties.headers.string("x-customer")
        if let type = properties.type, type != "cancel" { throw Unreadable(reason: "its type is not cancel") }
        // As of jobs: libraries fill in the property by themselves, so the body's word counts.
        let said = body["id"].flatMap { $0.isNull ? nil : $0 }
        let id = said == nil ? properties.messageID : said?.stringValue
        var customer = try agree("customer", body["customer"]?.stringValue, header)
        if customers == .userID, !isWorkers {
            guard let user = properties.userID, !user.isEmpty else { throw Unreadable(reason: "user_id is missing") }
            guard customer == nil || customer == user else {
                throw Unreadable(reason: "its customer is not its user_id")
            }
            customer = user
        }
        guard let id, let customer, !id.isEmpty, !customer.isEmpty, id.utf8.count <= 128, customer.utf8.count <= 64
        else { throw Unreadable(reason: "id or customer is missing, or too long") }
        // A timestamp is seconds; what some put there instead (nanoseconds) says nothing.
        let time = properties.timestamp.flatMap { $0 < 1 << 40 ? Int64($0) : nil }
        return Cancel(
            key: JobKey(customer: customer, id: id), time: time,
            offset: max(0, properties.headers.integer("x-stream-offset") ?? 0))
    }

    private static func agree(
        _ field: String, _ inBody: String?, _ inProperties: String?
    ) throws(Unreadable) -> String? {
        guard let inBody, let inProperties, inBody != inProperties else { return inBody ?? inProperties }
        throw Unreadable(reason: "body and properties say different things of \(field)")
    }

    // MARK: Writing

    /// The message under a worker's login; `nil` for a cancel, which workers do not write.
    ///
    /// - Parameter id: the `message_id`; one is made where none is given.
    func message(
        queue: String, user: String, id: String? = nil, settled: @escaping @Sendable (DurableMessage.Settlement) -> Void
    ) -> DurableMessage? {
        let (type, body): (String, JSONValue)
        switch self {
        case .cancel: return nil
        case .claim(let key, let attempt):
            (type, body) = (Kind.claim, Self.object(key, [.init("attempt", .integer(attempt))]))
        case .cancelled(let key): (type, body) = (Kind.cancelled, Self.object(key, []))
        case .finished(let key, let delivery):
            (type, body) = (
                Kind.finished,
                Self.object(
                    key,
                    [
                        .init("republishes", .integer(delivery.republishes)),
                        .init("delivery_count", .integer(delivery.deliveryCount)),
                        .init("body", .string(String(delivery.bodyHash, radix: 16))),
                    ])
            )
        case .sync(let mark): (type, body) = (Kind.sync, .object([.init("mark", .string(mark))]))
        }
        let properties = MessageProperties(
            contentType: "application/json", isPersistent: true, messageID: id ?? "\(type)/\(RunID.make())",
            type: type, userID: user)
        return try? Messages.toQueue(queue, properties, body: body.serialized(), settled: settled)
    }

    /// By what a worker knows its own claim again.
    static func makeClaimID() -> String { "\(Kind.claim)/\(RunID.make())" }

    private static func object(_ key: JobKey, _ more: [JSONValue.Member]) -> JSONValue {
        .object([.init("id", .string(key.id)), .init("customer", .string(key.customer))] + more)
    }
}

/// Which delivery of a job's message was seen through to its end.
package struct FinishedDelivery: Sendable, Equatable {
    var republishes: Int
    var deliveryCount: Int
    var bodyHash: UInt64

    /// The highest attempt that it can have had.
    package var attempt: Int64 {
        AttemptNumber(republishes: republishes, deliveryCount: deliveryCount, tryNumber: 999).value
    }

    /// The delivery that ended when this message was made, a copy of its own: where somebody claims the job under an attempt of
    /// an earlier life, what was left behind has come to him because the ack of the move was lost.
    package func leftBehind(claimedAs attempt: Int64) -> FinishedDelivery? {
        guard attempt < AttemptNumber(republishes: republishes, tryNumber: 0).value else { return nil }
        return FinishedDelivery(republishes: max(0, republishes - 1), deliveryCount: 0, bodyHash: bodyHash)
    }

    /// Whether this is the same message, given out again after that delivery; or an earlier life of it, which was left
    /// behind when its copy was made because the ack was lost.
    package func isFollowed(by later: FinishedDelivery) -> Bool {
        guard bodyHash == later.bodyHash else { return false }
        if republishes == later.republishes { return later.deliveryCount > deliveryCount }
        // What was never given out before is no leftover: somebody has enqueued the job anew.
        return later.republishes < republishes && later.deliveryCount > 0
    }
}
