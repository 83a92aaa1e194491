import AMQP
import ChatModel
import Testing

@testable import JobRunner

@Suite struct RepublicationTests {
    static func delivery(
        _ headers: FieldTable, userID: String? = nil, redelivered: Bool = false, queue: String = "chat.jobs",
        priority: UInt8? = nil
    ) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: 1, value: 1), queue: queue, redelivered: redelivered, exchange: "",
            routingKey: queue,
            properties: MessageProperties(
                headers: headers, priority: priority, correlationID: "c", replyTo: "r", expiration: "1000",
                messageID: "j", userID: userID),
            body: [1, 2, 3])
    }

    @Test func whatTheBrokerCountedStaysBehind() {
        let delivery = Self.delivery(
            [
                "x-death": .array([]), "x-first-death-queue": .string("q"), "x-first-death-reason": .string("expired"),
                "x-first-death-exchange": .string(""), "x-delivery-count": .int(3), "x-customer": .string("acme"),
                "x-acquired-count": .int(3), "mine": .string("kept"),
            ], redelivered: true)
        let properties = Republication.properties(of: delivery, customer: "acme", workerUser: "worker")
        #expect(properties.userID == "worker")
        #expect(properties.expiration == nil)
        #expect(properties.isPersistent)
        #expect(properties.correlationID == "c" && properties.replyTo == "r" && properties.messageID == "j")
        let headers: FieldTable = [
            "x-customer": .string("acme"), "x-sender-headers": .table(["mine": .string("kept")]),
            "x-republished": .int(4),
            "x-verified-customer": .string("acme"),
        ]
        #expect(properties.headers == headers)
    }

    private static let victims = FieldValue.array([
        .string("chat.reply.victim"), .string("chat.control"), .string("chat.webhooks"),
    ])

    /// Headers that would route, or would be believed, under a worker's login.
    static let forged: [FieldTable] = [
        ["CC": victims], ["BCC": victims], ["CC": .string("chat.reply.victim")], ["BCC": .string("chat.control")],
        ["CC": victims, "x-customer": .string("acme"), "mine": .int(1)],
        ["mine": .int(1), "x-customer": .string("acme"), "BCC": victims, "CC": victims],
        ["x-customer": .string("acme"), "x-profile": .string("p"), "CC": .table(["a": victims])],
        ["x-attempt": .int(9), "x-job": .string("j"), "x-time": .int(1), "x-cost": .int(1)],
        ["x-webhook-id": .string("msg_1"), "x-webhook-url": .string("https://a.example/"), "x-delay": .int(5)],
        ["x-sender-headers": .table(["CC": victims])], ["x-sender-headers": .string("x"), "CC": victims],
        ["x-death": victims, "x-reason": .string("endpoint_gone: no"), "x-origin-queue": .string("chat.webhooks")],
    ]

    /// All that a message may carry at the top under a worker's login.
    private static let known = DeadLetter.knownHeaders.union(["x-sender-headers", "x-webhook-history"])

    /// Every way on that a message takes: parked, handed back, set apart, dead-lettered, replayed, shortened; one after the
    /// other, and whoever sent it.
    @Test(arguments: forged, ["backend", "worker", nil])
    func noHeaderOfASenderRoutesOrIsBelieved(headers: FieldTable, user: String?) throws {
        let notes: FieldTable = ["x-reason": .string("why"), "x-stage": .string("validating")]
        for queue in ["chat.jobs", "chat.jobs.suspect", "chat.webhooks", "chat.webhooks.ordered"] {
            let delivery = Self.delivery(headers, userID: user, queue: queue, priority: 9)
            let isWebhook = queue.hasPrefix("chat.webhooks")
            let kept = isWebhook ? Republication.webhookHeaders : Republication.jobHeaders
            var lives = [
                Republication.properties(
                    of: delivery, customer: nil, workerUser: "worker", keeping: kept, adding: notes)
            ]
            var letterHeaders = lives[0].headers
            letterHeaders["x-origin-queue"] = .string(queue)
            let next = Self.delivery(letterHeaders, userID: "worker", queue: queue, priority: 9)
            lives.append(Republication.properties(of: next, customer: "acme", workerUser: "worker", keeping: kept))
            let letter = DeadLetter(next, names: QueueNames(), workerUser: "worker")
            lives.append(
                letter.replayed(next, workerUser: "worker", controlOffset: 4, now: Timestamp(milliseconds: 5)))
            var short = lives[0]
            Republication.shorten(&short, keeping: notes)
            lives.append(short)
            for life in lives {
                for (key, _) in life.headers {
                    let place = Comment(rawValue: "\(key) of \(headers), \(queue)")
                    #expect(Self.known.contains(key) || isWebhook && kept.contains(key), place)
                    #expect(key != "CC" && key != "BCC" && (isWebhook || !key.hasPrefix("x-webhook-id")), place)
                    #expect(!["x-attempt", "x-job", "x-time"].contains(key) || isWebhook, place)
                }
                #expect(life.priority == nil, "nobody moves up by being moved")
                #expect(throws: Never.self) { try PublishTemplate(exchange: "", routingKey: queue, properties: life) }
            }
        }
    }

    @Test func aSendersHeadersTravelInATableOfTheirOwn() {
        let first = Republication.properties(
            of: Self.delivery(["CC": Self.victims, "mine": .int(1), "x-sender-headers": .string("forged")]),
            customer: nil,
            workerUser: "worker")
        let senders: FieldTable = ["CC": Self.victims, "mine": .int(1), "x-sender-headers": .string("forged")]
        #expect(first.headers["x-sender-headers"] == .table(senders))
        let second = Republication.properties(
            of: Self.delivery(first.headers, userID: "worker"), customer: nil, workerUser: "worker")
        #expect(second.headers["x-sender-headers"] == .table(senders), "no deeper with each move")
    }

    @Test func theCountGrowsAndABackendCannotForgeIt() {
        let forged = Self.delivery(["x-republished": .int(1_000)], userID: "backend")
        #expect(Republication.count(of: forged, workerUser: "worker") == 0)
        let own = Self.delivery(
            ["x-republished": .int(4), "x-delivery-count": .int(2)], userID: "worker", redelivered: true)
        #expect(Republication.attempt(of: own, workerUser: "worker").value == 4_002_001)
        let next = Republication.properties(of: own, customer: nil, workerUser: "worker")
        #expect(next.headers.integer("x-republished") == 7, "after a copy that an earlier delivery left behind")
    }

    /// A first delivery has no count, whatever its publisher says: else it could pass off an attempt that runs as killed.
    @Test func aPublishersOwnCountIsNotBelieved() {
        let forged = Self.delivery(["x-delivery-count": .int(7), "x-acquired-count": .int(9)], userID: "backend")
        #expect(Republication.attempt(of: forged, workerUser: "worker") == AttemptNumber())
        #expect(FinishedDelivery(forged, workerUser: "worker").deliveryCount == 0)
        let next = Republication.properties(of: forged, customer: nil, workerUser: "worker")
        #expect(next.headers == ["x-republished": .int(1)])
    }

    /// Killed between the copy's confirm and the ack, a worker leaves the message behind: what is made of it then comes
    /// after all that the first copy can have been.
    @Test func copiesMadeAroundACrashDiffer() {
        func copy(after deliveries: Int64) -> AttemptNumber {
            let properties = Republication.properties(
                of: Self.delivery(["x-delivery-count": .int(deliveries)], redelivered: deliveries > 0), customer: nil,
                workerUser: "worker")
            return Republication.attempt(
                of: Self.delivery(properties.headers, userID: properties.userID), workerUser: "worker")
        }
        #expect(copy(after: 2) < copy(after: 3))
        #expect(copy(after: 2).republishes < copy(after: 3).republishes, "over all deliveries of the first copy")
    }

    @Test func aVerifiedCustomerIsBelievedFromWorkersOnly() {
        let headers: FieldTable = ["x-verified-customer": .string("acme"), "x-customer": .string("acme")]
        #expect(JobEnvelope(Self.delivery(headers, userID: "worker"), workerUser: "worker").verifiedCustomer == "acme")
        #expect(JobEnvelope(Self.delivery(headers, userID: "rival"), workerUser: "worker").verifiedCustomer == nil)
        #expect(JobEnvelope(Self.delivery(headers), workerUser: "worker").verifiedCustomer == nil)
    }

    @Test func aForgedVerifiedCustomerDoesNotSurvive() {
        let delivery = Self.delivery(
            ["x-verified-customer": .string("victim"), "x-republished": .int(.max)], userID: "worker")
        let properties = Republication.properties(of: delivery, customer: nil, workerUser: "worker")
        #expect(properties.headers["x-verified-customer"] == nil)
        #expect(properties.headers.integer("x-republished") == 1_000_000_001)
    }

    /// Bytes that are not UTF-8 grow when they are replaced; headers may fill the whole frame.
    @Test func whatDoesNotFitIsLeftBehind() throws {
        var properties = MessageProperties(
            contentType: String(repeating: "\u{FFFD}", count: 86), headers: ["x-customer": .string("acme")],
            messageID: "j",
            appID: String(repeating: "\u{FFFD}", count: 86))
        properties.headers["x-webhook-url"] = .string(String(repeating: "a", count: 200_000))
        properties.headers["mine"] = .string(String(repeating: "b", count: 200_000))
        properties.headers["x-reason"] = .string("why")
        #expect(throws: AMQPError.self) {
            try PublishTemplate(exchange: "", routingKey: "q", properties: properties)
        }
        Republication.shorten(&properties, keeping: ["x-reason": .string("why")])
        #expect(throws: Never.self) { try PublishTemplate(exchange: "", routingKey: "q", properties: properties) }
        #expect(properties.headers == ["x-customer": .string("acme"), "x-reason": .string("why")])
        #expect(properties.messageID == "j")
    }

    @Test func aMistypedHeaderIsNamed() {
        let envelope = JobEnvelope(Self.delivery(["x-profile": .int(3)]), workerUser: "worker")
        #expect(envelope.mistypedHeader == "x-profile")
    }

    @Test func topologyNamesAndArguments() {
        let topology = TopologyPlan(jobRetryTiers: [5], webhookRetryTiers: [7]).topology
        let names = Set(topology.queues.map(\.name))
        #expect(
            names == [
                "chat.jobs", "chat.jobs.high", "chat.jobs.low", "chat.jobs.suspect", "chat.jobs.failed",
                "chat.webhooks",
                "chat.dead", "chat.control", "chat.journal", "chat.endpoints", "chat.jobs.retry.5",
                "chat.webhooks.retry.7",
                "chat.webhooks.ordered", "chat.webhooks.ordered.retry.7", "chat.webhooks.suspect",
            ])
        let jobs = topology.queues.first { $0.name == "chat.jobs" }?.arguments
        #expect(jobs?.string("x-queue-type") == "quorum")
        #expect(jobs?.integer("x-delivery-limit") == 50)
        #expect(jobs?.string("x-dead-letter-strategy") == "at-least-once")
        #expect(jobs?.string("x-overflow") == "reject-publish")
    }
}

@Suite struct FIFOTests {
    @Test func orderIsKeptOverGrowthAndCompaction() {
        var queue = FIFO<Int>()
        var next = 0
        var expected = 0
        for round in 0..<5_000 {
            for _ in 0..<(round % 5) {
                queue.append(next)
                next += 1
            }
            for _ in 0..<(round % 4) {
                guard let element = queue.popFirst() else { break }
                #expect(element == expected)
                expected += 1
            }
        }
        #expect(queue.count == next - expected)
        queue.prepend(contentsOf: [-2, -1])
        #expect(queue.popFirst() == -2)
        #expect(queue.popFirst() == -1)
        #expect(queue.popFirst() == expected)
    }
}
