import ChatModel
import Testing

@Suite struct ValueTests {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2000-02-29T12:30:45.5Z", 951_827_445_500),
            ("2030-01-31T12:00:00+09:00", 1_896_058_800_000),
            ("1969-12-31T23:59:59.999Z", -1), ("2024-12-31T23:59:60Z", 1_735_689_599_000),
            ("2024-01-01t00:00:00z", 1_704_067_200_000),
            ("2024-01-01T00:00:00.123456-00:30", 1_704_069_000_123),
        ] as [(String, Int64)])
    func instants(text: String, milliseconds: Int64) {
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }

    @Test(arguments: [
        "", "2024", "2024-13-01T00:00:00Z", "2023-02-29T00:00:00Z", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z", "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00+9:00", "2024-01-01T00:00:00Zx",
        "2024-01-01T00:00:00+0900",
    ])
    func noInstants(text: String) { #expect(Timestamp(rfc3339: text) == nil) }

    @Test func instantsAreWrittenAsTheyAreRead() {
        for milliseconds in stride(from: Int64(-70_000_000_000), through: 4_000_000_000_000, by: 86_399_997_123) {
            let time = Timestamp(milliseconds: milliseconds)
            #expect(Timestamp(rfc3339: time.rfc3339) == time, "\(time.rfc3339)")
        }
    }

    @Test func attemptsGrow() {
        let order = [
            AttemptNumber(), AttemptNumber().next(), AttemptNumber(deliveryCount: 1),
            AttemptNumber(deliveryCount: 1).next(),
            AttemptNumber(republishes: 1), AttemptNumber(republishes: 1, deliveryCount: 50, tryNumber: 900),
            AttemptNumber(republishes: 2),
        ]
        #expect(order == order.sorted())
        #expect(Set(order.map(\.value)).count == order.count)
        #expect(AttemptNumber().value == 1)
        #expect(AttemptNumber(republishes: 3, deliveryCount: 2, tryNumber: 1).value == 3_002_001)
        #expect(!AttemptNumber().hasPredecessor && AttemptNumber(deliveryCount: 1).hasPredecessor)
        #expect(AttemptNumber(republishes: -5, deliveryCount: 100_000, tryNumber: .max).value == 999_999)
    }

    @Test func costOfTheGuidesPrices() {
        #expect(
            Price(input: 2.5, output: 8).cost(promptTokens: 1_000_000, completionTokens: 1_000_000) == Money(usd: 10.5))
        #expect(Price(input: 0.14, output: 0.42).cost(promptTokens: 0, completionTokens: 0) == .zero)
    }
}
