import ChatModel
import Testing

@Suite struct JobParserTests {
    static let rules = JobRules(
        maximumBytes: 4_096,
        profiles: ["quick": Profile(model: "gemini", maximumTokens: 300, temperature: 0.2), "bare": Profile()],
        models: [
            "gpt": ModelRoute(gateway: "main", upstreamModel: "gpt-4.1", price: Price(input: 2.5, output: 8)),
            "gemini": ModelRoute(gateway: "main", upstreamModel: "gemini-2.5-flash", includeUsage: false),
        ],
        webhookProblem: { webhook, _ in webhook == "bad" ? "no such endpoint" : nil })

    static func parse(
        _ body: String, _ envelope: JobEnvelope = JobEnvelope(), rules: JobRules = rules
    ) throws(InvalidJob) -> Job {
        try JobParser(rules: rules).parse(body: Array(body.utf8), envelope: envelope)
    }

    static let trace = TraceContext(
        traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", tracestate: "a=1")
    static let messages = #""messages":[{"role":"user","content":"canary"}]"#

    @Test func aWholeJob() throws {
        let body =
            #"{"model":"gpt", "messages":[{"role":"user", "content":"h\u0069"}],"tools":[{"x": 1.50}],"stream":false,"stream_options":{"a":1},"n":2,"job":{"id":"j-1","customer":"acme","reply_to":"chat.reply.acme.web","webhook":"https://x.example/","deadline":"2030-01-31T12:00:00+09:00","metadata":{"k" : [1, 2]}}}"#
        let job = try Self.parse(body, JobEnvelope(messageID: "j-1", correlationID: "c", trace: Self.trace))
        #expect(job.id == "j-1" && job.customer == "acme" && job.choiceCount == 2)
        #expect(job.replyTo == "chat.reply.acme.web")
        #expect(job.webhook == "https://x.example/")
        #expect(job.deadline == 1_896_058_800_000)
        #expect(job.metadata.map { String(decoding: $0, as: UTF8.self) } == #"{"k" : [1, 2]}"#)
        #expect(job.correlationID == "c" && job.trace == Self.trace)
        #expect(
            String(decoding: job.request, as: UTF8.self)
                == #"{"model":"gpt-4.1","messages":[{"role":"user", "content":"h\u0069"}],"tools":[{"x": 1.50}],"n":2,"stream":true,"stream_options":{"include_usage":true}}"#
        )
    }

    /// Nulls count as absent.
    @Test func nullsAreAbsent() throws {
        let envelope = JobEnvelope(messageID: "j", customer: "acme", profile: "quick")
        #expect(try Self.parse(#"{"model":null,\#(Self.messages),"job":null}"#, envelope).model == "gemini")
        let job = try Self.parse(
            #"{"model":null,\#(Self.messages),"job":{"profile":"quick"}}"#,
            JobEnvelope(
                messageID: "j", customer: "acme"))
        #expect(job.request.starts(with: #"{"model":"gemini-2.5-flash","messages""#.utf8))
        do throws(InvalidJob) {
            _ = try Self.parse(
                #"{"model":null,\#(Self.messages),"job":null}"#, JobEnvelope(messageID: "j", customer: "a"))
            Issue.record("a job without a model")
        } catch {
            #expect(error.field == "model" && error.customer == "a")
        }
    }

    /// Who says two customers is answered as the one that is trusted, on that one's queues only.
    @Test(
        arguments: [
            // The header's customer; their own queue where it is named, else their default one.
            (JobRules.CustomerSource.job, JobEnvelope(customer: "bob"), "bob", "chat.reply.bob"),
            (.job, .init(replyTo: "chat.reply.bob.web", customer: "bob"), "bob", "chat.reply.bob.web"),
            (.job, .init(replyTo: "chat.reply.alice", customer: "bob"), "bob", "chat.reply.bob"),
            (.job, .init(replyTo: DirectReplyNameTests.good, customer: "bob"), "bob", DirectReplyNameTests.good),
            (.job, .init(customer: "no name!"), nil, nil),
            // The login, whatever is said.
            (.userID, .init(userID: "carol", customer: "bob"), "carol", "chat.reply.carol"),
            (.userID, .init(userID: "carol"), "carol", "chat.reply.carol"),
            (.userID, .init(customer: "bob"), nil, nil),
            (.userID, .init(userID: "worker", customer: "bob", verifiedCustomer: "dan"), "dan", "chat.reply.dan"),
        ] as [(JobRules.CustomerSource, JobEnvelope, String?, String?)])
    func whoSaysTwoCustomersIsAnswered(
        source: JobRules.CustomerSource, envelope: JobEnvelope, customer: String?, queue: String?
    ) {
        var rules = Self.rules
        rules.customerSource = source
        var envelope = envelope
        envelope.messageID = "j"
        do throws(InvalidJob) {
            _ = try Self.parse(
                #"{"model":"gpt",\#(Self.messages),"job":{"customer":"alice"}}"#, envelope, rules: rules)
            Issue.record("two customers are none")
        } catch {
            #expect(error.id == "j" && error.customer == customer && error.replyTo == queue)
            #expect(!error.reason.contains("alice"), "nothing is told of the other")
        }
    }

    @Test(
        arguments: [
            ([], 1), ([0x80], 1), ([0xC3], 1), ([0xE2, 0x82], 1), ([0x61, 0xF0, 0x9F, 0x98], 2),
            ([0xC3, 0xA9, 0xFF], 3),
            ([0x61, 0x62, 0xED, 0xA0, 0x80], 3), (Array(repeating: 0x61, count: 40) + [0xC0, 0xAF], 41),
        ] as [([UInt8], Int)])
    func invalidUTF8SaysWhere(text: [UInt8], offset: Int) {
        // A quote comes before it; an empty text is cut by what follows.
        let bytes = [0x22] + text + (text.isEmpty ? [0xFE] : [])
        #expect(throws: JSONError(.invalidUTF8, at: offset)) { try JSONValue(parsing: bytes) }
    }

    @Test(arguments: [
        (
            #"{\#(messages),"job":{"profile":"quick"}}"#,
            #"{"model":"gemini-2.5-flash",\#(messages),"max_tokens":300,"temperature":0.2,"stream":true}"#
        ),
        (
            #"{\#(messages),"max_completion_tokens":9,"temperature":1,"job":{"profile":"quick"}}"#,
            #"{"model":"gemini-2.5-flash",\#(messages),"max_completion_tokens":9,"temperature":1,"stream":true}"#
        ),
        (
            #"{\#(messages),"max_tokens":null,"temperature":null,"job":{"profile":"quick"}}"#,
            #"{"model":"gemini-2.5-flash",\#(messages),"max_tokens":300,"temperature":0.2,"stream":true}"#
        ),
        (
            #"{"model":"gpt",\#(messages),"job":{"profile":"quick"}}"#,
            #"{"model":"gpt-4.1",\#(messages),"max_tokens":300,"temperature":0.2,"stream":true,"stream_options":{"include_usage":true}}"#
        ),
    ])
    func profiles(body: String, request: String) throws {
        let job = try Self.parse(body, JobEnvelope(messageID: "j", customer: "acme"))
        #expect(String(decoding: job.request, as: UTF8.self) == request)
        #expect(job.content.count == job.request.count)
        #expect(throws: Never.self) { try JSONValue(parsing: job.request) }
    }

    @Test func propertiesAndHeadersAreEqualToTheBody() throws {
        let job = try Self.parse(
            #"{\#(Self.messages)}"#,
            JobEnvelope(
                messageID: "j", replyTo: DirectReplyNameTests.good, customer: "acme", profile: "quick",
                webhook: "hook",
                deadline: "2030-01-31T12:00:00Z"))
        #expect(job.replyTo == DirectReplyNameTests.good)
        #expect(job.webhook == "hook")
        #expect(job.deadline != nil)
    }

    @Test(arguments: [
        ("", "body"), ("[]", "body"), ("{", "body"), (#"{"a":1,"a":2}"#, "body (a)"),
        (#"{"model":"gpt",\#(messages),"job":[]}"#, "job"),
        (#"{"model":"gpt",\#(messages),"job":{"ID":"x"}}"#, "job.ID"),
        (#"{"model":"gpt",\#(messages),"job":{"id":7}}"#, "job.id"),
        (#"{"model":"gpt",\#(messages),"job":{"id":""}}"#, "job.id"),
        (#"{"model":"gpt",\#(messages),"job":{"customer":"other"}}"#, "job.customer"),
        (#"{"model":"gpt",\#(messages),"job":{"metadata":"x"}}"#, "job.metadata"),
        (#"{"model":"gpt",\#(messages),"job":{"deadline":"tomorrow"}}"#, "job.deadline"),
        (#"{"model":"gpt",\#(messages),"job":{"profile":"none"}}"#, "job.profile"),
        (#"{"model":"gpt",\#(messages),"job":{"webhook":"bad"}}"#, "job.webhook"),
        (#"{"model":"gpt",\#(messages),"job":{"webhook":"a\r\nb"}}"#, "job.webhook"),
        (#"{"model":"gpt",\#(messages),"job":{"reply_to":"chat.reply.acme.\u0000"}}"#, "reply_to"),
        (#"{"model":"gpt",\#(messages),"job":{"reply_to":"chat.reply.rival"}}"#, "reply_to"),
        (#"{"model":"gpt",\#(messages),"job":{"reply_to":"chat.jobs"}}"#, "reply_to"),
        (#"{"model":"gpt",\#(messages),"job":{"reply_to":""}}"#, "reply_to"),
        (#"{"model":"gpt",\#(messages),"n":0}"#, "n"), (#"{"model":"gpt",\#(messages),"n":"2"}"#, "n"),
        (#"{"model":"none",\#(messages)}"#, "model"), (#"{\#(messages)}"#, "model"),
        (#"{"model":7,\#(messages)}"#, "model"),
        (#"{"model":"g\npt",\#(messages)}"#, "model"), (#"{"model":"gpt"}"#, "messages"),
        (#"{"model":"gpt","messages":[]}"#, "messages"),
        (#"{"model":"gpt","messages":{}}"#, "messages"),
    ])
    func refused(body: String, field: String) {
        do throws(InvalidJob) {
            _ = try Self.parse(body, JobEnvelope(messageID: "j", customer: "acme"))
            Issue.record("accepted: \(body)")
        } catch {
            #expect(error.field == field, "\(error.reason)")
            #expect(error.id == "j" || field == "job.id", "the sender can be told")
            #expect(error.replyTo == "chat.reply.acme" || field == "job.customer")
            #expect(!error.reason.contains("canary"), "never the prompt")
        }
    }

    /// Libraries fill in `message_id` and `reply_to`: whatever stands there, the body's word counts.
    @Test(
        arguments: [
            (JobEnvelope(messageID: "j", replyTo: "chat.reply.acme.web"), []),
            (JobEnvelope(messageID: "other", replyTo: "chat.reply.acme.web"), ["message_id"]),
            (JobEnvelope(messageID: "", replyTo: ""), ["message_id", "reply_to"]),
            (JobEnvelope(messageID: "j", replyTo: "6f1c-celery-result"), ["reply_to"]),
            (JobEnvelope(messageID: "9b2d 7a/01", replyTo: "chat.reply.rival"), ["message_id", "reply_to"]),
            (JobEnvelope(messageID: "a\nb", replyTo: DirectReplyNameTests.good), ["message_id", "reply_to"]),
            (
                JobEnvelope(messageID: String(repeating: "x", count: 255), replyTo: "amq.rabbitmq.reply-to"),
                ["message_id", "reply_to"]
            ),
        ] as [(JobEnvelope, [String])])
    func theBodyCounts(envelope: JobEnvelope, overruled: [String]) throws {
        let block = #""job":{"id":"j","customer":"acme","reply_to":"chat.reply.acme.web"}"#
        let job = try Self.parse(#"{"model":"gpt",\#(Self.messages),\#(block)}"#, envelope)
        #expect(job.key == JobKey(customer: "acme", id: "j") && job.replyTo == "chat.reply.acme.web")
        #expect(job.overruled == overruled)
        do throws(InvalidJob) {
            _ = try Self.parse(#"{"model":"none",\#(Self.messages),\#(block)}"#, envelope)
            Issue.record("accepted")
        } catch {
            #expect(error.id == "j" && error.replyTo == "chat.reply.acme.web", "refused under the same name")
        }
    }

    /// What no library sets by itself has to be the same.
    @Test(arguments: [
        (JobEnvelope(customer: "bob"), "job.customer"), (JobEnvelope(profile: "bare"), "job.profile"),
        (JobEnvelope(webhook: "other"), "job.webhook"), (JobEnvelope(deadline: "2031-01-31T12:00:00Z"), "job.deadline"),
    ])
    func theseHaveToAgree(envelope: JobEnvelope, field: String) {
        do throws(InvalidJob) {
            _ = try Self.parse(
                #"{"model":"gpt",\#(Self.messages),"job":{"id":"j","customer":"acme","profile":"quick","webhook":"hook","deadline":"2030-01-31T12:00:00Z"}}"#,
                envelope)
            Issue.record("accepted")
        } catch {
            #expect(error.field == field)
        }
    }

    @Test(arguments: [
        "", " ", "utf-8", "UTF-8", "utf8", "UTF8", " Utf-8 ", "utf_8", "UTF 8", "identity", "Identity", "binary",
        "us-ascii",
        "8bit", "charset=utf-8", "charset=UTF-8", "identity, utf-8", "utf-8;",
    ])
    func noEncoding(text: String) throws {
        let envelope = JobEnvelope(messageID: "j", contentEncoding: text, customer: "acme")
        #expect(try Self.parse(#"{"model":"gpt",\#(Self.messages)}"#, envelope).id == "j")
    }

    @Test(arguments: [
        ("gzip", "gzip"), ("GZIP", "gzip"), ("gzip:UTF-8", "gzip"), ("utf-8, br", "br"), (" deflate ", "deflate"),
        ("zstd", "zstd"), ("base64", "base64"), ("utf-16", "utf-16"), ("iso-8859-1", "iso-8859-1"),
        ("charset=utf-16le", "utf-16le"), ("my \"canary\"", "something else than utf-8"),
        (String(repeating: "x", count: 200), "something else than utf-8"),
    ])
    func encodingsAreNamed(text: String, name: String) {
        do throws(InvalidJob) {
            _ = try Self.parse(
                #"{"model":"gpt",\#(Self.messages)}"#,
                JobEnvelope(messageID: "j", contentEncoding: text, customer: "acme"))
            Issue.record("accepted")
        } catch {
            #expect(error.field == "content_encoding" && error.reason.hasPrefix("content_encoding is \(name), "))
            #expect(error.reason.contains("publish the JSON as it is, in UTF-8"))
        }
    }

    @Test(arguments: [
        (JobEnvelope(customer: "acme"), "job.id"), (JobEnvelope(messageID: "j"), "job.customer"),
        (JobEnvelope(messageID: "a b", customer: "acme"), "job.id"),
        (JobEnvelope(messageID: "", customer: "acme"), "job.id"),
        (JobEnvelope(messageID: String(repeating: "x", count: 129), customer: "acme"), "job.id"),
        (JobEnvelope(messageID: "j", customer: "a.b"), "job.customer"),
        (JobEnvelope(messageID: "j", customer: "a*"), "job.customer"),
        (JobEnvelope(messageID: "j", customer: String(repeating: "x", count: 65)), "job.customer"),
        (JobEnvelope(messageID: "j", contentEncoding: "gzip", customer: "acme"), "content_encoding"),
        (JobEnvelope(messageID: "j", correlationID: "a\nb", customer: "acme"), "correlation_id"),
        (
            JobEnvelope(messageID: "j", correlationID: String(repeating: "é", count: 128), customer: "acme"),
            "correlation_id"
        ),
        (JobEnvelope(messageID: "j", customer: "acme", mistypedHeader: "x-profile"), "x-profile"),
        (JobEnvelope(messageID: "j", customer: "acme", priority: 5), "priority"),
        (JobEnvelope(messageID: "j", customer: "acme", priority: 255), "priority"),
        (JobEnvelope(messageID: "j", replyTo: "amq.rabbitmq.reply-to.x.y", customer: "acme"), "reply_to"),
        (JobEnvelope(messageID: "j", replyTo: "amq.rabbitmq.reply-to", customer: "acme"), "reply_to"),
    ])
    func refusedEnvelopes(envelope: JobEnvelope, field: String) {
        do throws(InvalidJob) {
            _ = try Self.parse(#"{"model":"gpt",\#(Self.messages)}"#, envelope)
            Issue.record("accepted")
        } catch {
            #expect(error.field == field)
        }
    }

    /// Who sent it is told, whatever else is wrong with the body.
    @Test(arguments: [
        #"{"n":"x","job":{"id":"j","customer":"acme"}}"#, #"{"job":{"id":"j","customer":"acme","typo":1}}"#,
        #"{"model":7,"job":{"customer":"acme","id":"j"}}"#, #"{"job":{"deadline":3,"id":"j","customer":"acme"}}"#,
    ])
    func theSenderIsKnown(body: String) {
        do throws(InvalidJob) {
            _ = try Self.parse(body)
            Issue.record("accepted")
        } catch {
            #expect(error.id == "j" && error.customer == "acme" && error.replyTo == "chat.reply.acme")
        }
    }

    @Test func limits() {
        let long = #"{"model":"gpt",\#(Self.messages),"x":"\#(String(repeating: "a", count: 5_000))"}"#
        #expect(throws: InvalidJob.self) { try Self.parse(long, JobEnvelope(messageID: "j", customer: "acme")) }
        let deep =
            #"{"model":"gpt",\#(Self.messages),"x":\#(String(repeating: "[", count: 128))\#(String(repeating: "]", count: 128))}"#
        #expect(throws: InvalidJob.self) { try Self.parse(deep, JobEnvelope(messageID: "j", customer: "acme")) }
        #expect(throws: InvalidJob.self) {
            try JobParser(rules: Self.rules).parse(
                body: [0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x31, 0x7D], envelope: JobEnvelope())
        }
    }

    @Test func customerFromTheBrokersUser() throws {
        var rules = Self.rules
        rules.customerSource = .userID
        let body = #"{"model":"gpt",\#(Self.messages)}"#
        #expect(try Self.parse(body, JobEnvelope(messageID: "j", userID: "acme"), rules: rules).customer == "acme")
        #expect(throws: InvalidJob.self) { try Self.parse(body, JobEnvelope(messageID: "j"), rules: rules) }
        #expect(throws: InvalidJob.self) {
            try Self.parse(body, JobEnvelope(messageID: "j", userID: "acme", customer: "rival"), rules: rules)
        }
        let republished = JobEnvelope(messageID: "j", userID: "worker", verifiedCustomer: "acme")
        #expect(try Self.parse(body, republished, rules: rules).customer == "acme")
    }

    @Test func aForbiddenReplyQueueHasACodeOfItsOwn() {
        do throws(InvalidJob) {
            _ = try Self.parse(
                #"{"model":"gpt",\#(Self.messages)}"#,
                JobEnvelope(messageID: "j", replyTo: "chat.reply.rival", customer: "acme"))
            Issue.record("accepted")
        } catch {
            #expect(error.code == "reply_queue_forbidden")
            #expect(error.replyTo == "chat.reply.acme", "answered on the customer's own queue only")
        }
    }

    @Test(arguments: [
        ("chat.reply.acme", true), ("chat.reply.acme.web", true), ("chat.reply.acme.a.b", true),
        ("chat.reply.acme2", false),
        ("chat.reply.acm", false), ("chat.reply.", false), ("xchat.reply.acme", false),
        (DirectReplyNameTests.good, true), ("amq.rabbitmq.reply-to.x", false),
        ("amq.rabbitmq.reply-to", false), ("", false),
    ])
    func replyPatterns(queue: String, isAllowed: Bool) {
        #expect(ReplyRules().allows(queue, for: "acme") == isAllowed)
    }

    @Test func starsMatchAnyRun() {
        let rules = ReplyRules(allow: ["a*{customer}*z"], allowsDirectReplyTo: false)
        #expect(rules.allows("a-acme-z", for: "acme"))
        #expect(rules.allows("aacmez", for: "acme"))
        #expect(!rules.allows("a-acm-z", for: "acme"))
        #expect(!rules.allows(DirectReplyNameTests.good, for: "acme"))
    }
}
