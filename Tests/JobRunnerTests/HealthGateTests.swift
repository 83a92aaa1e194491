import Testing

@testable import JobRunner

@Suite struct HealthGateTests {
    static let policy = CoolDownPolicy(failures: 2, first: .seconds(10), longest: .seconds(30))

    private static func at(_ seconds: UInt64) -> UInt64 { seconds * 1_000_000_000 }

    /// A gate that has just begun to cool down, at 0.
    private static func cooling() -> HealthGate {
        var gate = HealthGate()
        for _ in 0..<2 { _ = gate.failed(gate.enter(now: 0), policy, now: 0) }
        return gate
    }

    @Test func onlyFailuresInARowCount() {
        var gate = HealthGate()
        var pass = gate.enter(now: 0)
        var pause = gate.failed(pass, Self.policy, now: 0)
        #expect(pause == nil && !gate.isIdle)
        gate.answered()
        #expect(gate.isIdle)
        pass = gate.enter(now: 0)
        pause = gate.failed(pass, Self.policy, now: 0)
        #expect(pause == nil)
        pause = gate.failed(pass, Self.policy, now: 0)
        #expect(pause == .seconds(10))
        #expect(gate.isCooling(now: 0) && gate.isCooling(now: Self.at(10) - 1))
    }

    @Test func oneProbe() {
        var gate = Self.cooling()
        #expect(!gate.isCooling(now: Self.at(10)))
        let probe = gate.enter(now: Self.at(10))
        #expect(gate.isCooling(now: Self.at(10)), "others wait for what the probe finds")
        gate.left(probe)
        #expect(!gate.isCooling(now: Self.at(10)), "it found nothing out: another may probe")
        _ = gate.enter(now: Self.at(10))
        gate.answered()
        #expect(!gate.isCooling(now: Self.at(10)) && gate.isIdle)
    }

    @Test func longerEachTime() {
        var gate = Self.cooling()
        var now = Self.at(10)
        for seconds in [20, 30, 30] as [Int64] {
            let pause = gate.failed(gate.enter(now: now), Self.policy, now: now)
            #expect(pause == .seconds(seconds))
            now += Self.at(UInt64(seconds))
        }
        gate.answered()
        _ = gate.failed(gate.enter(now: now), Self.policy, now: now)
        let pause = gate.failed(gate.enter(now: now), Self.policy, now: now)
        #expect(pause == .seconds(10), "it has worked since")
    }

    /// What was asked before, or by those who have nobody else, does not make it longer; an answer ends it.
    @Test func othersWhoAsk() {
        var gate = HealthGate()
        let early = gate.enter(now: 0)
        for _ in 0..<2 { _ = gate.failed(gate.enter(now: 0), Self.policy, now: 0) }
        var pause = gate.failed(early, Self.policy, now: Self.at(1))
        #expect(pause == nil)
        let forced = gate.enter(now: Self.at(1))
        pause = gate.failed(forced, Self.policy, now: Self.at(2))
        #expect(pause == nil && !gate.isCooling(now: Self.at(10)))
        gate.answered()
        #expect(gate.isIdle)
    }

    @Test func neverWithZero() {
        var gate = HealthGate()
        for _ in 0..<9 {
            let pause = gate.failed(gate.enter(now: 0), CoolDownPolicy(failures: 0), now: 0)
            #expect(pause == nil)
        }
        #expect(!gate.isCooling(now: 0))
    }
}
