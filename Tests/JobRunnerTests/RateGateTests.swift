import Testing

@testable import JobRunner

@Suite struct RateGateTests {
    private static let second: UInt64 = 1_000_000_000

    private static func isOpen(_ gate: RateGate, _ now: UInt64) -> Bool {
        var gate = gate
        return gate.isOpen(now: now)
    }

    @Test func aRefusalShutsItForAsLongAsTheGatewaySays() {
        var gate = RateGate()
        let pass = gate.enter(now: 0)
        gate.limited(pass, retryAfter: .seconds(3), now: Self.second, chance: 0)
        #expect(!Self.isOpen(gate, 4 * Self.second - 1))
        #expect(gate.remaining(now: 2 * Self.second) == .seconds(2))
        #expect(Self.isOpen(gate, 4 * Self.second))
        #expect(gate.remaining(now: 4 * Self.second) == .zero)
    }

    /// Requests that went out together and are refused together are one refusal.
    @Test func aCrowdThatIsRefusedIsOnePause() {
        var gate = RateGate()
        let passes = (0..<10).map { _ in gate.enter(now: 0) }
        for pass in passes { gate.limited(pass, retryAfter: nil, now: 0, chance: 0) }
        #expect(gate.remaining(now: 0) == RateGate.firstPause)
        gate.limited(passes[0], retryAfter: .seconds(9), now: 0, chance: 0)
        #expect(gate.remaining(now: 0) == .seconds(9), "a late word can only make it longer")
        gate.limited(passes[1], retryAfter: .seconds(2), now: 0, chance: 0)
        #expect(gate.remaining(now: 0) == .seconds(9))
    }

    @Test func pausesDoubleUpToTheLongest() {
        var gate = RateGate()
        var (now, waits): (UInt64, [Duration]) = (0, [])
        for _ in 0..<8 {
            gate.limited(gate.enter(now: now), retryAfter: nil, now: now, chance: 0)
            waits.append(gate.remaining(now: now))
            now += 100 * Self.second
            #expect(Self.isOpen(gate, now))
        }
        #expect(waits == [1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
    }

    @Test func itOpensOneByOne() {
        var gate = RateGate()
        gate.limited(gate.enter(now: 0), retryAfter: .seconds(1), now: 0, chance: 0)
        let now = 2 * Self.second
        #expect(Self.isOpen(gate, now))
        let first = gate.enter(now: now)
        #expect(!Self.isOpen(gate, now), "one at first")
        gate.answered(first)
        let two = [gate.enter(now: now), gate.enter(now: now)]
        #expect(!Self.isOpen(gate, now), "two after one answer")
        gate.left(two[0])
        #expect(Self.isOpen(gate, now), "a place is free again, and no more")
        _ = gate.enter(now: now)
        #expect(!Self.isOpen(gate, now))
    }

    @Test func enoughAnswersOpenItForGood() {
        var gate = RateGate()
        gate.limited(gate.enter(now: 0), retryAfter: .seconds(1), now: 0, chance: 0)
        #expect(!gate.isIdle)
        for _ in 0..<RateGate.enoughCredit where Self.isOpen(gate, 2 * Self.second) {
            gate.answered(gate.enter(now: 2 * Self.second))
        }
        #expect(gate.isIdle)
    }

    @Test(
        arguments: [
            (nil, [], false), (5, [], false), (5, [4, 5], false), (5, [6], true), (5, [9, 2], true), (nil, [9], false),
        ] as [(UInt64?, [UInt64], Bool)])
    func whetherItConcernsOneJob(_ mark: UInt64?, _ answers: [UInt64], _ isAlone: Bool) {
        var gate = RateGate()
        for number in answers { gate.noteAnswer(to: number) }
        #expect(RateGate.concernsOneJob(gate, since: mark) == isAlone)
        #expect(RateGate.concernsOneJob(nil, since: mark) == (mark != nil), "it was forgotten after many answers")
    }

    /// Who was let through before a pause says nothing of the time after it.
    @Test func anOldPassCountsNoMore() {
        var gate = RateGate()
        let old = gate.enter(now: 0)
        gate.limited(gate.enter(now: 0), retryAfter: .seconds(1), now: 0, chance: 0)
        _ = gate.enter(now: 2 * Self.second)
        gate.answered(old)
        #expect(!Self.isOpen(gate, 2 * Self.second))
    }
}
