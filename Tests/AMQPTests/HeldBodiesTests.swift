import Testing

@testable import AMQP

@Suite struct HeldBodiesTests {
    /// What comes, as the consumer's thread handles it.
    static func deliver(_ tag: UInt64, _ size: UInt64, to held: inout HeldBodies) -> Bool {
        guard size <= held.room else {
            held.skipped(tag, size: size)
            return false
        }
        held.took(tag, size: size)
        return true
    }

    @Test func takesWhatFits() {
        var held = HeldBodies(limit: 100)
        #expect(Self.deliver(1, 60, to: &held) && Self.deliver(2, 40, to: &held))
        #expect(!Self.deliver(3, 1, to: &held) && Self.deliver(4, 0, to: &held))
        #expect(held.bytes == 100 && held.skippedCount == 1)
        #expect(held.takeReturnable().isEmpty, "no room yet")
        held.settled(2)
        #expect(held.takeReturnable().isEmpty, "more than half is held")
        held.settled(1)
        held.settled(1)
        #expect(held.takeReturnable() == [3] && held.takeReturnable().isEmpty)
        #expect(held.bytes == 0)
    }

    /// However large it is, it has its turn: alone.
    @Test(arguments: [101, UInt64.max]) func oneIsAlwaysTaken(size: UInt64) {
        var held = HeldBodies(limit: 100)
        #expect(Self.deliver(1, size, to: &held))
        #expect(!Self.deliver(2, size, to: &held) && !Self.deliver(3, 5, to: &held))
        #expect(held.takeReturnable().isEmpty)
        held.settled(1)
        #expect(held.takeReturnable() == [2])
    }

    @Test func givesBackTheOldestThatFit() {
        var held = HeldBodies(limit: 100)
        #expect(Self.deliver(1, 100, to: &held))
        for (tag, size) in [(2, 50), (3, 40), (4, 20), (5, 1)] as [(UInt64, UInt64)] {
            #expect(!Self.deliver(tag, size, to: &held))
        }
        held.settled(1)
        #expect(held.takeReturnable() == [2, 3])
        #expect(held.takeReturnable() == [4, 5], "what was given back may never return to this consumer")
    }
}
