/// Turns a message into a `Job`, or says what is wrong with it. Pure: the same message and rules give the same answer.
public struct JobParser: Sendable {
    /// Deepest nesting of a job's body.
    public static let maximumDepth = 128
    /// RabbitMQ 4's quorum queues serve what is above it first. JMS counts it as the normal one, and libraries set it, or 0, by
    /// themselves.
    static let mostPriority: UInt8 = 4

    public var rules: JobRules

    public init(rules: JobRules) { self.rules = rules }

    /// - Throws: `InvalidJob`, with what could be told of the job filled in.
    public func parse(body: [UInt8], envelope: JobEnvelope) throws(InvalidJob) -> Job {
        var draft = Draft()
        do throws(InvalidJob) {
            return try parse(body, envelope, &draft)
        } catch {
            var invalid = error
            invalid.id = draft.id
            invalid.customer = draft.customer
            invalid.replyTo = draft.replyTo ?? draft.customer.flatMap(rules.replies.defaultQueue(of:))
            throw invalid
        }
    }

    /// The refusal of a message whose body is over every limit, by what its properties say.
    public func oversize(bytes: UInt64, envelope: JobEnvelope) -> InvalidJob {
        var invalid = InvalidJob(field: "body", reason: "")
        do throws(InvalidJob) { _ = try parse(body: [], envelope: envelope) } catch { invalid = error }
        invalid.field = "body"
        invalid.code = "invalid_job"
        invalid.reason = "the body has \(bytes) bytes, over jobs.max_bytes = \(rules.maximumBytes)"
        return invalid
    }

    /// What is known of a job while it is read.
    private struct Draft {
        var id: String?
        var customer: String?
        var replyTo: String?
    }

    private func parse(_ body: [UInt8], _ envelope: JobEnvelope, _ draft: inout Draft) throws(InvalidJob) -> Job {
        // Who asks is found out first, also of a body that is broken elsewhere, so that the sender gets an answer.
        let result = readBody(body)
        let block = (try? result.get())?.job ?? JobBlock()
        // Libraries fill in these two properties by themselves, so the body's word counts before theirs.
        let id = block.id ?? envelope.messageID
        let replyTo = block.replyTo ?? envelope.replyTo
        let saidCustomer = Result { () throws(InvalidJob) in try self.customer(block, envelope) }
        if let id, Identifier.isValid(id, maximum: 128) { draft.id = id }
        let known: String? = if case .success(let customer) = saidCustomer { customer } else { answered(envelope) }
        if let known, Identifier.isValid(known, maximum: 64) { draft.customer = known }
        if let replyTo, let known = draft.customer, PlainText.isValid(replyTo),
            rules.replies.allows(replyTo, for: known)
        {
            draft.replyTo = replyTo
        }
        let customer = try saidCustomer.get()
        if let header = envelope.mistypedHeader {
            throw InvalidJob(field: header, reason: "the header \(header) must be a string")
        }
        if let problem = envelope.contentEncoding.flatMap(ContentEncoding.problem(of:)) {
            throw InvalidJob(field: "content_encoding", reason: problem)
        }
        if let priority = envelope.priority, priority > Self.mostPriority {
            throw InvalidJob(
                field: "priority",
                reason:
                    "RabbitMQ 4 would serve a priority over \(Self.mostPriority) before everybody else's jobs: leave it "
                    + "out, and publish what is urgent with the routing key jobs.high")
        }
        let document = try result.get()
        if let refusal = document.refusal { throw refusal }

        let job = try Identifier.required(id, "job.id", or: "the property message_id", maximum: 128)
        let owner = try Identifier.required(
            customer, "job.customer", or: "the header x-customer", maximum: 64)
        let queue = try replyQueue(replyTo, of: owner)
        let profile = try profile(block, envelope)
        guard let model = document.model ?? profile?.model else {
            throw InvalidJob(field: "model", reason: "name a model, or a profile that has one")
        }
        guard let route = rules.route(for: model) else {
            throw InvalidJob(field: "model", reason: "the model is not in this worker's configuration ([models])")
        }
        guard document.hasMessages else {
            throw InvalidJob(field: "messages", reason: "messages must be an array with at least one message")
        }
        let webhook = try agree("job.webhook", block.webhook, "x-webhook-url", envelope.webhook)
        if let webhook {
            try PlainText.check(webhook, "job.webhook")
            if let problem = rules.webhookProblem(webhook, owner) {
                throw InvalidJob(field: "job.webhook", reason: problem)
            }
        }
        let overruled = [
            ("message_id", block.id, envelope.messageID), ("reply_to", block.replyTo, envelope.replyTo),
        ].filter { !agrees($0.1, $0.2) }.map(\.0)
        return Job(
            id: job, customer: owner, model: model, route: route,
            fallbacks: rules.fallbacks(of: model, route, profile: profile),
            content: RequestSplicer.splice(body, document, route: route, profile: profile),
            choiceCount: document.choiceCount,
            maximumTokens: document.hasMaximumTokens ? document.maximumTokens : profile?.maximumTokens, replyTo: queue,
            webhook: webhook,
            deadline: try deadline(block, envelope), metadata: block.metadata,
            correlationID: try checked(envelope.correlationID, "correlation_id", maximum: 255),
            trace: envelope.trace, overruled: overruled)
    }

    private func readBody(_ body: [UInt8]) -> Result<JobDocument, InvalidJob> {
        guard body.count <= rules.maximumBytes else {
            return .failure(
                InvalidJob(
                    field: "body",
                    reason: "the body has \(body.count) bytes, over jobs.max_bytes = \(rules.maximumBytes)"))
        }
        return .success(JobDocument(reading: body))
    }

    private func customer(_ block: JobBlock, _ envelope: JobEnvelope) throws(InvalidJob) -> String? {
        let said = try agree("job.customer", block.customer, "x-customer", envelope.customer)
        guard rules.customerSource == .userID else { return said }
        guard let user = envelope.verifiedCustomer ?? envelope.userID, !user.isEmpty else {
            throw InvalidJob(
                field: "user_id",
                reason: "customers.from is \"user-id\": publish with the property user_id set to your login")
        }
        if let said, said != user {
            throw InvalidJob(field: "job.customer", reason: "it differs from user_id, from which the customer is taken")
        }
        return user
    }

    /// Who is told where body and properties name different customers, or another than the login's. The login is believed
    /// where customers are taken from it. Else the header is: it is set by who publishes, also where the body is passed on
    /// from somebody else, and the answer goes only to queues of that one customer and tells nothing of the other.
    private func answered(_ envelope: JobEnvelope) -> String? {
        envelope.verifiedCustomer ?? (rules.customerSource == .userID ? envelope.userID : envelope.customer)
    }

    private func replyQueue(_ name: String?, of customer: String) throws(InvalidJob) -> String? {
        guard let name else { return rules.replies.defaultQueue(of: customer) }
        try PlainText.check(name, "reply_to")
        guard name.utf8.count <= 255, !name.isEmpty else {
            throw InvalidJob(field: "reply_to", reason: "a queue name has 1 to 255 bytes")
        }
        guard !ReplyRules.claimsDirectReply(name) || DirectReplyName.isValid(name) else {
            throw InvalidJob(field: "reply_to", reason: "this is no direct reply-to name that RabbitMQ has made")
        }
        guard rules.replies.allows(name, for: customer) else {
            throw InvalidJob(
                field: "reply_to",
                reason:
                    "this customer may not be answered on that queue (replies.allow); if a library sets the property "
                    + "reply_to by itself, name the queue in job.reply_to",
                code: "reply_queue_forbidden")
        }
        return name
    }

    private func profile(_ block: JobBlock, _ envelope: JobEnvelope) throws(InvalidJob) -> Profile? {
        guard let name = try agree("job.profile", block.profile, "x-profile", envelope.profile) else { return nil }
        guard let profile = rules.profiles[name] else {
            throw InvalidJob(field: "job.profile", reason: "there is no such profile in this worker's configuration")
        }
        return profile
    }

    private func deadline(_ block: JobBlock, _ envelope: JobEnvelope) throws(InvalidJob) -> Int64? {
        guard let text = try agree("job.deadline", block.deadline, "x-deadline", envelope.deadline) else { return nil }
        guard let time = Timestamp(rfc3339: text) else {
            throw InvalidJob(field: "job.deadline", reason: "write an RFC 3339 instant such as 2030-01-31T12:00:00Z")
        }
        return time.milliseconds
    }

    private func checked(_ text: String?, _ field: String, maximum: Int) throws(InvalidJob) -> String? {
        guard let text else { return nil }
        try PlainText.check(text, field)
        guard text.utf8.count <= maximum else {
            throw InvalidJob(field: field, reason: "\(field) has at most \(maximum) bytes of UTF-8")
        }
        return text
    }

    private func agrees(_ inBody: String?, _ inProperties: String?) -> Bool {
        guard let inBody, let inProperties else { return true }
        return inBody.utf8.elementsEqual(inProperties.utf8)
    }

    /// What no library sets by itself may be said in the body and in the properties, but not differently.
    private func agree(
        _ field: String, _ inBody: String?, _ property: String, _ inProperties: String?
    ) throws(InvalidJob) -> String? {
        if agrees(inBody, inProperties) { return inBody ?? inProperties }
        throw InvalidJob(field: field, reason: "\(field) and \(property) say different things")
    }
}

/// Names of jobs and customers: safe in queue names, headers, file names and URLs.
package enum Identifier {
    package static func isValid(_ text: String, maximum: Int) -> Bool {
        (1...maximum).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D: true
                default: false
                }
            }
    }

    static func required(
        _ text: String?, _ field: String, or alternative: String, maximum: Int
    ) throws(InvalidJob) -> String {
        guard let text else { throw InvalidJob(field: field, reason: "\(field) (or \(alternative)) is required") }
        guard isValid(text, maximum: maximum) else {
            throw InvalidJob(field: field, reason: "\(field) must be 1 to \(maximum) of A-Z a-z 0-9 _ -")
        }
        return text
    }
}

/// Text that goes into headers, queue names and URLs.
enum PlainText {
    static func isValid(_ text: String) -> Bool { !text.utf8.contains { $0 < 0x20 || $0 == 0x7F } }

    static func check(_ text: String, _ field: String) throws(InvalidJob) {
        guard isValid(text) else {
            throw InvalidJob(field: field, reason: "\(field) must not contain control characters (CR, LF, NUL, ...)")
        }
    }
}
