import AMQP
import Testing

@testable import JobRunner

@Suite struct WebhookQuarantineTests {
    @Test(
        arguments: [
            (0, false, .post), (1, false, .post), (2, false, .setAside), (50, false, .setAside), (0, true, .post),
            (1, true, .post), (2, true, .giveUp), (3, true, .giveUp),
        ] as [(Int, Bool, WebhookQuarantine.Verdict)])
    func judgesByReturns(returns: Int, isAlone: Bool, verdict: WebhookQuarantine.Verdict) {
        var quarantine = WebhookQuarantine()
        let found = quarantine.verdict("a", returns: returns, isAlone: isAlone)
        #expect(found == verdict)
    }

    /// A worker that loses its connection is no worker that died.
    @Test func aConnectionThatWasLostCountsAgainstNobody() {
        var quarantine = WebhookQuarantine()
        var verdicts = [quarantine.verdict("a", returns: 0, isAlone: true)]
        for returns in 1...5 {
            quarantine.survived()
            verdicts.append(quarantine.verdict("a", returns: returns, isAlone: true))
        }
        #expect(verdicts.allSatisfy { $0 == .post })
        // Twice in another worker's hands meanwhile.
        let last = quarantine.verdict("a", returns: 7, isAlone: true)
        #expect(last == .giveUp)
        let other = quarantine.verdict("b", returns: 2, isAlone: true)
        #expect(other == .giveUp)
    }

    @Test(
        arguments: [
            (false, [:], 0), (false, ["x-delivery-count": .int(9)], 0), (true, [:], 1),
            (true, ["x-delivery-count": .int(3)], 3), (true, ["x-acquired-count": .int(4)], 4),
            (true, ["x-delivery-count": .int(1), "x-acquired-count": .int(5)], 5),
            (true, ["x-delivery-count": .int(-7)], 1), (true, ["x-delivery-count": .string("9")], 1),
            (true, ["x-delivery-count": .int(.max)], Int.max),
        ] as [(Bool, FieldTable, Int)])
    func countsReturns(redelivered: Bool, headers: FieldTable, returns: Int) {
        let delivery = Delivery(
            tag: .init(generation: 1, value: 1), queue: "q", redelivered: redelivered, exchange: "", routingKey: "q",
            properties: MessageProperties(headers: headers), body: [])
        #expect(delivery.returns == returns)
    }
}
