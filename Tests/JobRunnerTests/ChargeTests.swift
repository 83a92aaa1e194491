import AMQP
import ChatModel
import Testing

@testable import JobRunner

/// Tokens, prices, and what the ledgers read of both.
@Suite struct ChargeTests {
    private static func start(price: Price?, most: Int = 100) -> AttemptStart {
        AttemptStart(
            key: JobKey(customer: "acme", id: "job-1"), attempt: 2_001, began: 1_796_040_000_000,
            reserved: Money(billionths: 900_000), gateway: "main", model: "gpt-4.1", price: price, promptTokens: 40,
            mostTokens: most)
    }

    private static func delivery(
        _ headers: FieldTable, type: String, user: String? = "worker", id: String? = nil
    ) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: 1, value: 1), queue: "chat.journal", redelivered: false,
            exchange: "chat.events", routingKey: "",
            properties: MessageProperties(
                headers: headers, messageID: id, type: type, userID: user), body: [])
    }

    @Test(arguments: [
        Price(input: 2.5, output: 8), Price(input: 0.14, output: 0.42), Price(input: 0, output: 0),
        Price(input: 3, output: 15, cachedInput: 0.3, cacheWrite: 3.75), Price(input: 3, output: 1, cachedInput: 0),
        nil,
    ])
    func startsAreReadAsTheyWereWritten(price: Price?) throws {
        var start = Self.start(price: price)
        if price == nil { start.reserved = .zero }
        (start.worker, start.suspects) = ("w1", price == nil ? 4 : 0)
        let headers = JournalMessage.headers(start)
        let read = JournalMessage(Self.delivery(headers, type: "job.started"), workerUser: "worker")
        #expect(read == .started(start))
        #expect(JournalMessage(Self.delivery(headers, type: "job.started", user: "other"), workerUser: "worker") == nil)
        #expect(JournalMessage(Self.delivery(headers, type: "job.started", user: nil), workerUser: "worker") == nil)
        #expect(JournalMessage(Self.delivery(headers, type: "other"), workerUser: "worker") == nil)
    }

    @Test func usageIsReadAsItWasWritten() {
        let usage = TokenUsage(promptTokens: 1_000, completionTokens: 10, isEstimated: false)
        let charge = Charge(Self.start(price: Price(input: 2.5, output: 8)), usage: usage, outcome: .completed)
        let time = Timestamp(milliseconds: 77)
        let headers = JournalMessage.headers(JobKey(customer: "acme", id: "job-1"), charge, time: time)
        #expect(
            JournalMessage(Self.delivery(headers, type: "usage"), workerUser: "worker")
                == .spent(
                    JobKey(customer: "acme", id: "job-1"), attempt: 2_001, cost: Money(billionths: 2_580_000), time: 77,
                    outcome: .completed)
        )
        // What comes from elsewhere, or has lost its headers, is no business of a ledger.
        #expect(JournalMessage(Self.delivery([:], type: "usage"), workerUser: "worker") == nil)
        #expect(JournalMessage(Self.delivery([:], type: "sync", id: "m"), workerUser: "worker") == .sync("m"))
        #expect(JournalMessage(Self.delivery([:], type: "sync", user: "x", id: "m"), workerUser: "worker") == nil)
    }

    /// An answer of as many tokens as were reserved is not cut, whatever the price: sums are rounded up.
    @Test(arguments: [0.14, 0.4, 2.5, 3, 0.333_333], [0.42, 2.5, 8, 15, 0.777_777])
    func whatIsReservedIsEnough(input: Double, output: Double) {
        for most in [1, 2, 7, 100, 1_023, 100_000] {
            let start = Self.start(price: Price(input: input, output: output), most: most)
            let reserved = start.cost(completionTokens: most)
            #expect(start.tokens(within: reserved) == most)
            #expect(start.tokens(within: .zero) <= 0)
        }
    }

    @Test func whatIsFreeHasNoLimit() {
        #expect(Self.start(price: nil).tokens(within: .zero) == .max)
        #expect(Self.start(price: Price(input: 1, output: 0)).tokens(within: .zero) == .max)
        #expect(Self.start(price: nil).cost(completionTokens: .max) == .zero)
    }

    @Test(arguments: [(-5_000, 0), (0, 0), (250, 25), (1_000, 100), (3_000, 100), (Int64.max / 2, 100)])
    func whatADeadWorkerMayHaveUsed(milliseconds: Int64, tokens: Int) {
        let start = Self.start(price: nil)
        let usage = TokenUsage(killed: start, now: start.began + milliseconds)
        #expect(usage == TokenUsage(promptTokens: 40, completionTokens: tokens, isEstimated: true))
    }

    @Test func money() {
        #expect(Money(usd: 0.000_000_000_1).billionths == 1, "rounded up")
        for wrong in [-1, .nan, -.infinity] as [Double] { #expect(Money(usd: wrong) == .zero) }
        #expect(Money(usd: .infinity) == .most && Money(usd: 1e300) == .most)
        #expect(Money.most + Money(billionths: 1) == .most)
        #expect(Money(billionths: .min) - Money(billionths: 1) == Money(billionths: .min))
        #expect(Money(billionths: 12_000_000_034).decimal == "12.000000034")
        #expect(Money(billionths: -1).decimal == "-0.000000001")
        #expect(Money(billionths: .min).decimal == "-9223372036.854775808")
    }

    @Test func totals() {
        let meter = SpendMeter()
        let start = Self.start(price: Price(input: 2.5, output: 8))
        meter.add(
            Charge(
                start, usage: TokenUsage(promptTokens: 10, completionTokens: 1, isEstimated: true), outcome: .discarded)
        )
        meter.add(
            Charge(
                start, usage: TokenUsage(promptTokens: 10, completionTokens: 5, isEstimated: false), outcome: .completed
            ))
        #expect(meter.all.count == 1)
        let total = meter.all[0]
        #expect(total.attempts == 2 && total.wastedAttempts == 1 && total.wastedTokens == 11)
        #expect(total.promptTokens == 20 && total.completionTokens == 6 && total.estimatedTokens == 11)
        #expect(total.cost == Money(billionths: 98_000))
    }
}
