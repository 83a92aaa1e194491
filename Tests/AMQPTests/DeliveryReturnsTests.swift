import Testing

@testable import AMQP

/// How often a message was given out before: the broker's counts, of every version, and nobody else's.
@Suite struct DeliveryReturnsTests {
    struct Case: Sendable, CustomStringConvertible {
        var description: String
        var redelivered = true
        var delivery: Int64?
        var acquired: Int64?
        var broker: BrokerVersion?
        var returns: Int
    }

    private static let old = BrokerVersion(4, 2, 9)
    private static let new = BrokerVersion(4, 3)

    @Test(arguments: [
        Case(description: "a first delivery", redelivered: false, returns: 0),
        Case(description: "a publisher's own count", redelivered: false, delivery: 7, acquired: 9, returns: 0),
        Case(description: "3.10 to 4.2 count every return", delivery: 3, broker: old, returns: 3),
        Case(description: "4.3, given back or timed out", delivery: 0, acquired: 2, broker: new, returns: 2),
        Case(description: "4.3, without the smaller count", acquired: 2, broker: new, returns: 2),
        Case(description: "4.3, after a crash", delivery: 3, acquired: 5, broker: new, returns: 5),
        Case(description: "a publisher's own on an older broker", delivery: 2, acquired: 900, broker: old, returns: 2),
        Case(description: "a broker without a version", delivery: 2, acquired: 4, returns: 4),
        Case(description: "after a lost node", returns: 1),
        Case(description: "0", delivery: 0, acquired: 0, broker: new, returns: 1),
        Case(description: "less than nothing", delivery: .min, returns: 1),
        Case(description: "more than anything", delivery: .max, returns: .max),
    ])
    func theLargerCountOfARedelivery(_ example: Case) {
        var headers = FieldTable()
        headers["x-delivery-count"] = example.delivery.map { .int($0) }
        headers["x-acquired-count"] = example.acquired.map { .int($0) }
        let delivery = Delivery(
            tag: DeliveryTag(generation: 1, value: 1), queue: "q", redelivered: example.redelivered, exchange: "",
            routingKey: "q", properties: MessageProperties(headers: headers), body: [], broker: example.broker)
        #expect(delivery.returns == example.returns)
    }

    /// RabbitMQ 4 puts its own header before the one that a publisher has written.
    @Test func ofTwoHeadersTheFirstCounts() {
        let table = FieldTable(uniquing: [
            (key: "x-delivery-count", value: FieldValue.int(1)), (key: "x-delivery-count", value: .int(900)),
        ])
        #expect(table == ["x-delivery-count": .int(1)])
    }
}
