import Testing

@testable import AMQP

@Suite struct BrokerVersionTests {
    @Test(
        arguments: [
            ("3.10.8", BrokerVersion(3, 10, 8)), ("4.0.5", BrokerVersion(4, 0, 5)), ("4.3", BrokerVersion(4, 3, 0)),
            ("4.3.0-rc.1", BrokerVersion(4, 3, 0)), ("3.12.1+57.gc3ba5f8", BrokerVersion(3, 12, 1)),
            ("4.1-beta", BrokerVersion(4, 1, 0)), ("10.0.0", BrokerVersion(10, 0, 0)), ("", nil), ("4", nil),
            ("x.1", nil),
            ("4.", nil), ("-4.1", nil), (".4.1", nil), ("99999999999999999999.1", nil), ("٤.1", nil),
        ] as [(String, BrokerVersion?)])
    func aVersionIsRead(text: String, expected: BrokerVersion?) {
        #expect(BrokerVersion(text) == expected)
    }

    @Test func versionsAreOrderedByTheirNumbers() {
        let versions = ["3.9.27", "3.10.8", "4.0.5", "4.0.10", "4.3.0", "10.0.0"].compactMap { BrokerVersion($0) }
        #expect(versions.count == 6)
        #expect(versions == versions.shuffled().sorted())
        #expect(versions.map(\.description) == ["3.9.27", "3.10.8", "4.0.5", "4.0.10", "4.3.0", "10.0.0"])
    }
}
