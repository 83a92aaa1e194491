internal import AMQP
internal import ChatModel
internal import JobRunner
internal import Webhooks

/// What stands in the journal, and in the headers of jobs and webhook tasks that workers have moved: no number traps, none
/// moves a clock or an account of others, and nothing is kept for ever.
enum JournalCheck {
    private static let now: Int64 = 1_795_000_000_000
    private static let honest = JobKey(customer: "an honest one", id: "job")
    private static let longestWait = Duration.seconds(31 * 86_400)

    static func run(_ input: UnsafeRawBufferPointer) throws(BrokenInvariant) {
        let delivery = DeliveryReader(input).delivery
        try checkLedger(delivery)
        try checkParked(delivery)
        checkWebhook(delivery)
        let event = EndpointEvent(
            routingKey: delivery.properties.type ?? "", body: delivery.body, now: Timestamp(milliseconds: now))
        try require(event.map { $0.time.milliseconds <= now + 86_400_000 } ?? true, "no event is of a time to come")
        // Whatever number there is, it can be shown.
        for header in delivery.properties.headers {
            if case .int(let number) = header.value { _ = Timestamp(milliseconds: number).rfc3339 }
        }
    }

    private static func checkLedger(_ delivery: Delivery) throws(BrokenInvariant) {
        let message = JournalMessage(delivery, workerUser: DeliveryReader.worker)
        guard let message else { return }
        try require(delivery.properties.userID == DeliveryReader.worker, "only a worker writes accounts")
        let limit = Money(usd: 1)
        let policy = BudgetPolicy(standard: .init(day: limit, month: limit))
        var ledger = BudgetLedger(policy: policy, holdTime: .seconds(60))
        let cost = Money(billionths: 5)
        ledger.heed(message, now: now)
        for _ in 0..<2 {
            ledger.heed(.spent(honest, attempt: 1, cost: cost, time: now), now: now)
            ledger.heed(message, now: now + 1)
        }
        try require(ledger.spent(honest.customer, .day, now: now) == cost, "each attempt counts once, and today")
        try require(ledger.spent(honest.customer, .month, now: now) == cost, "and this month")
        try require(ledger.reserved(honest.customer) == .zero, "nobody reserves for others")
        if case .started(let start) = message {
            _ = ledger.reserve(start, least: .zero, now: now)
            _ = ledger.reserve(start, least: .most, now: now + 200 * 86_400_000)
        }
    }

    private static func checkParked(_ delivery: Delivery) throws(BrokenInvariant) {
        let parked = ParkedState(of: delivery, workerUser: DeliveryReader.worker, now: now)
        try require((0...now).contains(parked.firstReceived), "a job was seen in the past")
        try require(parked.remaining(now: now) <= longestWait, "no job waits for ever")
        let again = Delivery(
            tag: delivery.tag, queue: "q", redelivered: false, exchange: "", routingKey: "q",
            properties: MessageProperties(headers: parked.headers, userID: DeliveryReader.worker), body: [])
        try require(
            ParkedState(of: again, workerUser: DeliveryReader.worker, now: now) == parked
                || delivery.properties.userID != DeliveryReader.worker, "it is read as it was written")
    }

    private static func checkWebhook(_ delivery: Delivery) {
        let task = try? WebhookTask(
            headers: { name in
                switch delivery.properties.headers[name] {
                case .int(let number): .int(number)
                case .string(let text): .string(text)
                default: nil
                }
            }, body: delivery.body)
        guard let task else { return }
        _ = task.remaining(now: now)
        _ = task.retrying(after: .seconds(5), now: now).headers
        _ = task.waiting(task.remaining(now: now), in: .seconds(5)).headers
        _ = Timestamp(milliseconds: task.createdAt).rfc3339
    }
}
