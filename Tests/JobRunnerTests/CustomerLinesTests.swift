import Testing

@testable import JobRunner

/// A value that `#expect` may change.
private final class Lines {
    private var value: CustomerLines

    init(mostHeld: Int = 100) { value = CustomerLines(mostHeld: mostHeld) }

    func arrive(_ id: String, of customer: String, now: Int64) -> CustomerLines.Turn {
        value.arrive(id, of: customer, now: now)
    }

    @discardableResult
    func left(_ id: String, of customer: String, for wait: Int64, now: Int64) -> [CustomerLines.Action] {
        value.left(id, of: customer, for: wait, now: now)
    }

    var customers: Int { value.customers }

    func done(_ id: String, of customer: String) -> [CustomerLines.Action] { value.done(id, of: customer) }
}

@Suite struct CustomerLinesTests {
    /// Customers whose tasks went to wait in the broker, and were taken from there by somebody.
    @Test func customersThatDoNotComeBackAreForgotten() {
        let lines = Lines()
        for customer in 0..<10_000 {
            _ = lines.arrive("1", of: "c\(customer)", now: Int64(customer) * 1_000)
            lines.left("1", of: "c\(customer)", for: 1_000, now: Int64(customer) * 1_000)
        }
        #expect(lines.customers < 2_048)
    }

    @Test func oneAfterAnotherForACustomerAndAtOnceForOthers() {
        let lines = Lines()
        let turns = [
            lines.arrive("1", of: "a", now: 0), lines.arrive("2", of: "a", now: 0), lines.arrive("x", of: "b", now: 0),
        ]
        #expect(turns == [.go, .hold, .go])
        #expect(lines.done("1", of: "a") == [.go("2")])
        #expect(lines.done("2", of: "a") == [])
        #expect(lines.arrive("3", of: "a", now: 0) == .go)
    }

    /// The first one waits in the broker for its next try: those behind it wait too, and keep their places whatever the
    /// order in which they come back.
    @Test func aFailedOneHoldsUpThoseBehindIt() {
        let lines = Lines()
        _ = lines.arrive("1", of: "a", now: 0)
        _ = lines.arrive("2", of: "a", now: 0)
        #expect(lines.left("1", of: "a", for: 300_000, now: 0) == [.away("2", 300_000)])
        #expect(lines.arrive("3", of: "a", now: 1_000) == .away(299_000))
        #expect(lines.arrive("3", of: "a", now: 300_100) == .away(5_000))
        #expect(lines.arrive("2", of: "a", now: 300_100) == .away(5_000))
        #expect(lines.arrive("1", of: "a", now: 300_200) == .go)
        #expect(lines.arrive("3", of: "a", now: 305_100) == .hold)
        #expect(lines.arrive("2", of: "a", now: 305_100) == .hold)
        #expect(lines.done("1", of: "a") == [.go("2")])
        #expect(lines.done("2", of: "a") == [.go("3")])
    }

    @Test func nobodyWaitsForOneThatDoesNotComeBack() {
        let lines = Lines()
        _ = lines.arrive("1", of: "a", now: 0)
        _ = lines.left("1", of: "a", for: 5_000, now: 0)
        #expect(lines.arrive("2", of: "a", now: 10_000) == .away(5_000))
        #expect(lines.arrive("2", of: "a", now: 125_001) == .go)
    }

    @Test func onlySoManyAreHeld() {
        let lines = Lines(mostHeld: 2)
        let turns = (1...4).map { lines.arrive("\($0)", of: "a", now: 0) }
        #expect(turns == [.go, .hold, .away(5_000), .away(5_000)])
    }
}
