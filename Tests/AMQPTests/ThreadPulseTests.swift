import Testing

@testable import AMQP

@Suite struct ThreadPulseTests {
    @Test func aThreadThatDoesNotTurnIsStuck() {
        let pulse = ThreadPulse()
        let limit = Duration.seconds(1)
        #expect(!pulse.isStuck(longerThan: limit, now: 5_000_000_000), "it has not begun")
        pulse.beat(now: 5_000_000_000)
        #expect(!pulse.isStuck(longerThan: limit, now: 6_000_000_000))
        #expect(pulse.isStuck(longerThan: limit, now: 6_000_000_001))
        #expect(!pulse.isStuck(longerThan: limit, now: 4_000_000_000), "the clock was read before the beat")
        pulse.beat(now: 7_000_000_000)
        #expect(!pulse.isStuck(longerThan: limit, now: 7_000_000_001))
        pulse.rest()
        #expect(!pulse.isStuck(longerThan: limit, now: 60_000_000_000), "it may wait for its next connection")
    }
}
