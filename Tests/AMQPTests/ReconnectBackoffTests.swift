import Testing

@testable import AMQP

@Suite struct ReconnectBackoffTests {
    private func make() -> ReconnectBackoff {
        ReconnectBackoff(first: .milliseconds(100), most: .seconds(10), addressCount: 3)
    }

    @Test(arguments: [
        (0, 1.0, Duration.milliseconds(100)), (0, 0.5, .milliseconds(50)), (0, 0.0, .zero),
        (1, 1.0, .milliseconds(200)), (6, 1.0, .milliseconds(6400)), (7, 1.0, .seconds(10)),
        (7, 0.25, .milliseconds(2500)), (1000, 1.0, .seconds(10)), (3, -5.0, .zero), (3, 7.0, .milliseconds(800)),
    ])
    func waitsDoubleUpToTheCapWithFullJitter(_ failures: Int, _ random: Double, _ expected: Duration) {
        var backoff = make()
        for _ in 0..<failures { _ = backoff.wait(random: 1) }
        #expect(backoff.wait(random: random) == expected)
    }

    @Test(arguments: [(Duration.seconds(1), Duration.milliseconds(800)), (.seconds(11), .milliseconds(100))])
    func onlyALongLifeStartsAnew(_ lifetime: Duration, _ expected: Duration) {
        var backoff = make()
        for _ in 0..<3 { _ = backoff.wait(random: 1) }
        backoff.closed(after: lifetime)
        #expect(backoff.wait(random: 1) == expected)
    }

    @Test func addressesGoRound() {
        var backoff = make()
        #expect((0..<7).map { _ in backoff.takeAddress() } == [0, 1, 2, 0, 1, 2, 0])
    }

    @Test func noAddressesAndNoTimesDoNotTrap() {
        var backoff = ReconnectBackoff(first: .zero, most: .seconds(-1), addressCount: 0)
        #expect(backoff.takeAddress() == 0)
        #expect(backoff.wait(random: 1) == .milliseconds(1))
    }
}
