import Testing

@testable import AMQP

@Suite struct DeliveryLeaseTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func holdsForOneAndAQuarterHeartbeats() {
        let lease = DeliveryLease()
        #expect(!lease.isValid(now: 5 * Self.second))
        lease.begin(generation: 3, heartbeat: 4 * Self.second, now: 10 * Self.second)
        #expect(lease.isValid(now: 15 * Self.second - 1))
        #expect(!lease.isValid(now: 15 * Self.second))
        lease.renew(now: 16 * Self.second)
        #expect(lease.isValid(now: 20 * Self.second))
        // Renewed by another thread after this one had looked at the clock.
        #expect(lease.isValid(now: 15 * Self.second))
        #expect(lease.generation == 3 && !lease.isOver(for: 3) && lease.isOver(for: 2))
        #expect(!lease.isValid(for: 2))
        lease.end()
        #expect(lease.isOver(for: 3))
        #expect(!lease.isValid(now: 16 * Self.second))
    }
}
