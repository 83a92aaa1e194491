import AMQP
import ChatModel
import TestSupport
import Testing

@testable import JobRunner

@Suite struct DeadLetterTests {
    private static let names = QueueNames()
    private static let canary = "PROMPTCANARY"

    private static func delivery(
        _ headers: FieldTable = [:], body: String = "{}", userID: String? = "worker", messageID: String? = "j",
        size: UInt64? = nil
    ) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: 1, value: 1), queue: "chat.dead", redelivered: false, exchange: "",
            routingKey: "chat.dead",
            properties: MessageProperties(
                headers: headers, correlationID: "c", replyTo: "r", expiration: "5", messageID: messageID,
                timestamp: 7, type: "t", userID: userID),
            body: Array(body.utf8), bodySize: size)
    }

    private static func job(
        id: String = "one", customer: String = "acme", code: String = "expired",
        deadAt: String = "2026-11-24T08:00:00Z",
        origin: String = "chat.jobs", more: FieldTable = [:], userID: String? = "worker", deadline: String = "null"
    ) -> Delivery {
        var headers: FieldTable = [
            "x-reason": .string("\(code): It waited too long."), "x-stage": .string("waiting"), "x-tries": .int(2),
            "x-dead-at": .string(deadAt), "x-origin-queue": .string(origin), "x-republished": .int(3),
            "x-verified-customer": .string(customer),
        ]
        for (key, value) in more { headers[key] = value }
        return delivery(
            headers,
            body:
                #"{"messages":[{"content":"\#(canary)"}],"job":{"id":"\#(id)","customer":"said","deadline":\#(deadline)}}"#,
            userID: userID, messageID: "message-\(id)")
    }

    private static func webhook(
        code: String = "tries_exhausted", userID: String? = "worker", more: FieldTable = [:]
    ) -> Delivery {
        var headers: FieldTable = [
            "x-reason": .string("\(code): 500"), "x-stage": .string("completing"), "x-tries": .int(8),
            "x-dead-at": .string("2026-11-24T08:00:00Z"), "x-origin-queue": .string("chat.webhooks"),
            "x-republished": .int(1), "x-webhook-id": .string("msg_1"),
            "x-webhook-url": .string("https://a.example/"),
            "x-customer": .string("acme"), "x-job": .string("one"), "x-attempt": .int(1),
            "x-webhook-type": .string("chat.completion.completed"), "x-webhook-tries": .int(7),
            "x-webhook-created": .int(1), "x-not-before": .int(99),
        ]
        for (key, value) in more { headers[key] = value }
        return delivery(headers, body: "{}", userID: userID, messageID: "msg_1/1/7")
    }

    /// A copy is counted anew, reads the same, goes to one queue, and is believed no more than before.
    @Test(arguments: ["worker", "somebody", nil] as [String?])
    func aCopyReadsTheSame(userID: String?) {
        let original = Self.job(
            more: [
                "x-delivery-count": .int(12), "x-death": .array([]), "CC": .array([.string("chat.reply.victim")]),
                "BCC": .array([.string("chat.webhooks")]), "mine": .string("kept"),
            ], userID: userID)
        let properties = Self.letter(original).copied(original)
        for key in ["x-delivery-count", "x-death", "CC", "BCC"] { #expect(properties.headers[key] == nil, "\(key)") }
        #expect(properties.headers.string("mine") == "kept")
        #expect(properties.userID == (userID == "worker" ? "worker" : nil))
        let copy = Delivery(
            tag: original.tag, queue: original.queue, redelivered: false, exchange: "", routingKey: "chat.dead",
            properties: properties, body: original.body)
        var expected = Self.letter(original)
        if userID != "worker" { expected.userID = nil }
        #expect(Self.letter(copy) == expected)
    }

    private static func letter(_ delivery: Delivery) -> DeadLetter {
        DeadLetter(delivery, names: names, workerUser: "worker")
    }

    // MARK: Reading

    @Test func aJobIsReadFromHeadersAndBody() {
        let letter = Self.letter(Self.job(deadline: "\"2026-11-24T07:00:00Z\""))
        #expect(letter.kind == .job && letter.id == "one" && letter.messageID == "message-one")
        #expect(letter.customer == "acme" && letter.verifiedCustomer == "acme" && letter.isOwn)
        #expect(letter.code == "expired" && letter.reason == "expired: It waited too long.")
        #expect(letter.stage == "waiting" && letter.tries == 2 && letter.republished == 3)
        #expect(letter.deadAt?.rfc3339 == "2026-11-24T08:00:00.000Z")
        #expect(letter.isTooLate(now: Timestamp(milliseconds: letter.deadline?.milliseconds ?? 0)))
        #expect(!letter.isTooLate(now: Timestamp(milliseconds: 0)))
        #expect(!"\(letter)".contains(Self.canary))
        #expect(letter == Self.letter(Self.job(deadline: "\"2026-11-24T07:00:00Z\"")), "found again")
    }

    @Test func aWebhookIsReadFromItsHeaders() {
        let letter = Self.letter(Self.webhook())
        #expect(letter.kind == .webhook && letter.id == "one" && letter.customer == "acme")
        #expect(letter.webhookID == "msg_1" && letter.names == ["one", "msg_1/1/7", "msg_1"])
    }

    /// Whatever lies there is shown, and nothing of its text.
    @Test(arguments: [
        delivery(), delivery(body: canary), delivery(body: "{\"job\":{\"id\":\"\(canary) !\",\"customer\":[]}}"),
        delivery([
            "x-reason": .string("\(canary) \(canary)"), "x-stage": .string("\(canary)!"), "x-tries": .string("9"),
        ]),
        delivery(["x-reason": .string(": "), "x-dead-at": .string("yesterday"), "x-republished": .int(-5)]),
        delivery(["x-origin-queue": .int(4), "x-verified-customer": .string("\(canary) \(canary)")]),
    ])
    func oddMessagesHaveASummary(delivery: Delivery) {
        let letter = Self.letter(delivery)
        #expect(letter.code == "unknown" && letter.kind == .job && letter.republished == 0 && letter.deadAt == nil)
        for text in [letter.id, letter.customer, letter.stage, letter.code] {
            #expect(text?.contains(Self.canary) != true)
        }
        #expect(letter.destination(Self.names) == "chat.jobs")
    }

    // MARK: Choosing

    @Test(arguments: [
        (DeadLetterFilter(), true), (DeadLetterFilter(ids: ["one"]), true), (DeadLetterFilter(ids: ["two"]), false),
        (DeadLetterFilter(ids: ["two", "message-one"]), true), (DeadLetterFilter(customer: "acme"), true),
        (DeadLetterFilter(customer: "said"), false), (DeadLetterFilter(reason: "expired"), true),
        (DeadLetterFilter(reason: "expire"), false), (DeadLetterFilter(reason: "waited"), false),
        (DeadLetterFilter(reason: "waited too"), true), (DeadLetterFilter(kind: .job), true),
        (DeadLetterFilter(kind: .webhook), false), (DeadLetterFilter(since: at("08:00:00")), true),
        (DeadLetterFilter(since: at("08:00:01")), false), (DeadLetterFilter(until: at("08:00:00")), false),
        (DeadLetterFilter(until: at("08:00:01")), true),
        (DeadLetterFilter(ids: ["one"], customer: "rival"), false),
        (DeadLetterFilter(reason: "expired", since: at("07:00:00"), until: at("09:00:00")), true),
    ])
    func allThatIsSaidMustHold(filter: DeadLetterFilter, isMeant: Bool) {
        #expect(filter.matches(Self.letter(Self.job())) == isMeant, "\(filter)")
    }

    @Test func whatHasNoTimeIsNotMeantByATime() {
        let letter = Self.letter(Self.delivery())
        #expect(!DeadLetterFilter(since: Timestamp(milliseconds: 0)).matches(letter))
        #expect(!DeadLetterFilter(until: Timestamp(milliseconds: .max)).matches(letter))
        #expect(DeadLetterFilter().isEmpty && !DeadLetterFilter(kind: .job).isEmpty)
    }

    private static func at(_ time: String) -> Timestamp? { Timestamp(rfc3339: "2026-11-24T\(time)Z") }

    /// However they come, and however many of them.
    @Test(arguments: [1, 2, 3, 7, 100, .max]) func theOldestAreKeptInOrder(limit: Int) {
        let all = (0..<20).map { number in
            let hour = number % 5 + 10
            return Self.letter(Self.job(id: "job-\(number)", deadAt: "2026-11-24T\(hour):00:00Z"))
        }
        let wanted = all.sorted {
            ($0.deadAt ?? .init(milliseconds: 0), $0.id ?? "") < ($1.deadAt ?? .init(milliseconds: 0), $1.id ?? "")
        }
        for seed: UInt64 in 1...5 {
            var generator = SeededGenerator(seed: seed)
            var oldest = OldestLetters(limit: limit)
            for letter in all.shuffled(using: &generator) { oldest.add(letter) }
            #expect(oldest.letters == Array(wanted.prefix(limit)))
            #expect(oldest.count == 20)
        }
    }

    // MARK: Replaying

    @Test(arguments: [
        ("chat.jobs", "chat.jobs"), ("chat.jobs.high", "chat.jobs.high"), ("chat.jobs.low", "chat.jobs.low"),
        ("chat.jobs.suspect", "chat.jobs"), ("chat.jobs.failed", "chat.jobs"), ("chat.dead", "chat.jobs"),
        ("elsewhere", "chat.jobs"), ("chat.jobs.retry.1000", "chat.jobs"), ("chat.webhooks", "chat.webhooks"),
        ("chat.webhooks.retry.5", "chat.webhooks"),
    ])
    func whereItGoes(origin: String, destination: String) {
        #expect(Self.letter(Self.job(origin: origin)).destination(Self.names) == destination)
    }

    @Test func aJobGoesBackWithWhatIsItsOwn() {
        let delivery = Self.job(more: [
            "x-death": .array([]), "x-first-death-reason": .string("expired"), "x-last-death-queue": .string("q"),
            "x-delivery-count": .int(4), "x-not-before": .int(5), "x-control-offset": .int(6),
            "x-failed-tries": .int(2), "x-reason-field": .string("f"), "x-profile": .string("general"),
            "mine": .string("kept"),
        ])
        let properties = Self.letter(delivery).replayed(
            delivery, workerUser: "worker", controlOffset: 41, now: Timestamp(milliseconds: 0))
        let headers: FieldTable = [
            "x-republished": .int(4), "x-verified-customer": .string("acme"), "x-control-offset": .int(41),
            "x-profile": .string("general"), "x-sender-headers": .table(["mine": .string("kept")]),
        ]
        #expect(properties.headers == headers)
        #expect(properties.userID == "worker" && properties.isPersistent && properties.expiration == nil)
        #expect(properties.messageID == "message-one" && properties.correlationID == "c" && properties.replyTo == "r")
        #expect(properties.timestamp == 7 && properties.type == "t")
    }

    /// What another login says to be verified is not; its count holds, so that attempts never go down.
    @Test(arguments: ["rival", nil]) func anotherLoginIsNotBelieved(user: String?) {
        let delivery = Self.job(userID: user)
        let letter = Self.letter(delivery)
        #expect(!letter.isOwn && letter.customer == "said" && letter.verifiedCustomer == nil)
        let properties = letter.replayed(
            delivery, workerUser: "worker", controlOffset: nil, now: Timestamp(milliseconds: 0))
        #expect(properties.headers == ["x-republished": .int(4)])
        #expect(letter.obstacle(customers: .job) == nil)
        #expect(letter.obstacle(customers: .userID) == .unknownCustomer)
        #expect(Self.letter(Self.job()).obstacle(customers: .userID) == nil)
    }

    @Test func aWebhookStartsAnewUnderItsID() throws {
        let delivery = Self.webhook()
        let letter = Self.letter(delivery)
        #expect(letter.obstacle(customers: .userID) == nil)
        let headers = letter.replayed(
            delivery, workerUser: "worker", controlOffset: 41, now: Timestamp(milliseconds: 1_000)
        ).headers
        #expect(headers.string("x-webhook-id") == "msg_1" && headers.string("x-webhook-url") == "https://a.example/")
        #expect(headers.integer("x-webhook-tries") == 0 && headers.integer("x-not-before") == 0)
        #expect(headers.integer("x-webhook-created") == 1_000 && headers.integer("x-republished") == 2)
        for name in ["x-reason", "x-stage", "x-tries", "x-dead-at", "x-origin-queue", "x-control-offset"] {
            #expect(headers[name] == nil, "\(name)")
        }
    }

    /// Under the worker's login it would be believed, signed and sent.
    @Test func aForgedWebhookIsNotReplayed() {
        #expect(Self.letter(Self.webhook(userID: "rival")).obstacle(customers: .job) == .foreignTask)
        #expect(Self.letter(Self.webhook(userID: nil)).obstacle(customers: .job) == .foreignTask)
        #expect(Self.letter(Self.webhook(code: "foreign_task")).obstacle(customers: .job) == .foreignTask)
    }

    @Test func whatWasNotKeptWholeIsNotReplayed() {
        #expect(Self.letter(Self.delivery(size: 1 << 30)).obstacle(customers: .job) == .notWhole)
    }

    @Test func headersThatLeaveNoRoomAreLeftBehind() throws {
        let filler = FieldValue.string(String(repeating: "b", count: 63_900))
        let delivery = Self.delivery(["mine": filler, "x-profile": .string("p")], userID: "worker")
        let job = Self.letter(delivery).replayed(
            delivery, workerUser: "worker", controlOffset: 1, now: Timestamp(milliseconds: 0))
        #expect(throws: Never.self) { try PublishTemplate(exchange: "", routingKey: "q", properties: job) }
        #expect(job.headers["x-sender-headers"] == nil && job.headers.integer("x-control-offset") == 1)
        #expect(job.headers.string("x-profile") == "p" && job.headers.integer("x-republished") == 1)

        let task = Self.webhook(more: ["mine": filler])
        let webhook = Self.letter(task).replayed(
            task, workerUser: "worker", controlOffset: nil, now: Timestamp(milliseconds: 1_000))
        #expect(throws: Never.self) { try PublishTemplate(exchange: "", routingKey: "q", properties: webhook) }
        #expect(webhook.headers["x-sender-headers"] == nil && webhook.headers.integer("x-webhook-created") == 1_000)
        for name in ["x-webhook-id", "x-webhook-url", "x-customer", "x-job", "x-attempt", "x-webhook-type"] {
            #expect(webhook.headers[name] == task.properties.headers[name], "\(name)")
        }
    }
}
