internal import ChatModel

/// The input is a job's body. The first byte chooses what its properties and headers say.
///
/// An accepted job's request is strict JSON with `stream: true`, the gateway's model and no `job`; every other member
/// stands in it as the sender wrote it, byte for byte and in its order. A refused one names only an id, a customer and a
/// queue that are allowed.
enum JobCheck {
    private static let parser = JobParser(
        rules: JobRules(
            maximumBytes: 4096,
            profiles: [
                "quick": Profile(model: "gemini", maximumTokens: 300, temperature: 0.2),
                "cold": Profile(temperature: 0), "bare": Profile(),
            ],
            models: [
                "gpt": ModelRoute(gateway: "main", upstreamModel: "gpt-4.1"),
                "gemini": ModelRoute(gateway: "main", upstreamModel: "gemini-2.5-flash", includeUsage: false),
            ],
            defaultRoute: ModelRoute(gateway: "main", upstreamModel: ""),
            webhookProblem: { webhook, _ in webhook == "bad" ? "no such endpoint" : nil }))

    private static let envelopes = [
        JobEnvelope(), JobEnvelope(messageID: "j", customer: "acme"),
        JobEnvelope(messageID: "j", customer: "acme", profile: "quick"),
        JobEnvelope(messageID: "j", replyTo: "chat.reply.acme.web", customer: "acme", profile: "cold"),
        JobEnvelope(
            messageID: "j", correlationID: "c",
            replyTo: "amq.rabbitmq.reply-to.g1h2AA9yZXBseUAxMjE4OTkyMDEAAAliAAAQxGUp3Wg=.V/BE0fSg1i3Cp0bpYeJqWw==",
            contentEncoding: "identity",
            customer: "acme", webhook: "hook", deadline: "2030-01-31T12:00:00Z",
            trace: TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
        JobEnvelope(messageID: "j/", customer: "a.b"),
        JobEnvelope(messageID: "j", replyTo: "chat.reply.other", customer: "acme"),
        JobEnvelope(messageID: "j", contentEncoding: "gzip", customer: "acme", mistypedHeader: "x-profile"),
    ]

    static func run(_ input: UnsafeRawBufferPointer) throws(BrokenInvariant) {
        guard let choice = input.first else { return }
        let envelope = envelopes[Int(choice) % envelopes.count]
        let body = Array(input.dropFirst())
        let job: Job
        do throws(InvalidJob) {
            job = try parser.parse(body: body, envelope: envelope)
        } catch {
            return try judge(error)
        }
        try judge(job, envelope)
        try judge(job, request: job.request, body: body, profile: profile(body, envelope))
    }

    private static func judge(_ refusal: InvalidJob) throws(BrokenInvariant) {
        try require(!refusal.field.isEmpty && !refusal.reason.isEmpty, "a refusal says what is wrong")
        if let id = refusal.id { try require(isName(id, 128), "an id that is told is a name") }
        if let customer = refusal.customer { try require(isName(customer, 64), "a customer who is told is a name") }
        if let queue = refusal.replyTo {
            guard let customer = refusal.customer else {
                throw BrokenInvariant(description: "a refusal goes to a queue only where the customer is known")
            }
            try require(parser.rules.replies.allows(queue, for: customer), "a refusal goes only where it may")
            try require(isPlain(queue), "a queue's name has no control characters")
        }
    }

    private static func judge(_ job: Job, _ envelope: JobEnvelope) throws(BrokenInvariant) {
        try require(isName(job.id, 128) && isName(job.customer, 64), "a job is named by names")
        try require((1...128).contains(job.choiceCount), "n has its limits")
        for text in [job.model, job.replyTo, job.webhook, job.correlationID, job.trace?.traceparent] {
            try require(text.map(isPlain) ?? true, "what goes into headers has no control characters")
        }
        if let queue = job.replyTo {
            try require(parser.rules.replies.allows(queue, for: job.customer), "an answer goes only where it may")
        }
        if let metadata = job.metadata {
            guard case .object? = try? JSONValue(parsing: metadata) else {
                throw BrokenInvariant(description: "metadata is an object")
            }
        }
    }

    private static func judge(
        _ job: Job, request: [UInt8], body: [UInt8], profile: Profile?
    ) throws(BrokenInvariant) {
        guard let parsed = try? JSONValue(parsing: request) else {
            throw BrokenInvariant(description: "a request is strict JSON")
        }
        try require(parsed["stream"] == .bool(true), "a request streams")
        try require(parsed["job"] == nil, "nothing of the job goes to the gateway")
        try require(parsed["model"]?.stringValue == job.route.upstreamModel, "a request names the gateway's model")
        try require((parsed["stream_options"] != nil) == job.route.includeUsage, "usage is asked for where it can be")

        let asked = RawObject(body).members
        let said = Set(asked.filter { $0.value.first != UInt8(ascii: "n") }.map(\.name))
        let fillsTokens =
            profile?.maximumTokens != nil && said.isDisjoint(with: ["max_tokens", "max_completion_tokens"])
        let fillsTemperature = profile?.temperature != nil && !said.contains("temperature")
        let kept = asked.filter { member in
            switch member.name {
            case "job", "model", "stream", "stream_options": false
            case "max_tokens", "max_completion_tokens": !fillsTokens
            case "temperature": !fillsTemperature
            default: true
            }
        }
        let sent = RawObject(request).members
        let added = 2 + (fillsTokens ? 1 : 0) + (fillsTemperature ? 1 : 0) + (job.route.includeUsage ? 1 : 0)
        try require(sent.count == kept.count + added, "a request has the members that were sent, and the worker's")
        for (mine, theirs) in zip(sent.dropFirst(), kept) {
            try require(mine.text == theirs.text, "a member is copied as it stands")
        }
    }

    private static func profile(_ body: [UInt8], _ envelope: JobEnvelope) -> Profile? {
        let named = (try? JSONValue(parsing: body))?["job"]?["profile"]?.stringValue ?? envelope.profile
        return named.flatMap { parser.rules.profiles[$0] }
    }

    private static func isName(_ text: String, _ maximum: Int) -> Bool {
        (1...maximum).contains(text.utf8.count)
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || $0 == "-") }
    }

    private static func isPlain(_ text: String) -> Bool { !text.utf8.contains { $0 < 0x20 || $0 == 0x7F } }
}
