import NIOCore
import Testing

@testable import Gateway

@Suite struct PoolFillerTests {
    private func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(0) + .seconds(seconds) }

    @Test func opensWhatIsMissing() {
        var filler = PoolFiller(minimum: 3)
        #expect(filler.missing("a", idle: 1, now: at(0)) == 2)
        filler.began("a")
        #expect(filler.missing("a", idle: 1, now: at(0)) == 1, "one is on its way")
        #expect(filler.missing("b", idle: 0, now: at(0)) == 3)
        filler.opened("a")
        #expect(filler.missing("a", idle: 2, now: at(0)) == 1)
        #expect(filler.missing("a", idle: 5, now: at(0)) == 0)
        #expect(filler.openings == 0)
    }

    @Test func leavesAGatewayAloneThatDoesNotAnswer() {
        var filler = PoolFiller(minimum: 1)
        var now = at(0)
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] as [Int64] {
            #expect(filler.missing("a", idle: 0, now: now) == 1)
            filler.began("a")
            filler.failed("a", now: now)
            #expect(filler.nextDeadline(now: now) == now + .seconds(wait))
            #expect(filler.missing("a", idle: 0, now: now + .seconds(wait) - .nanoseconds(1)) == 0)
            now = now + .seconds(wait)
        }
        filler.used("a")
        filler.began("a")
        filler.failed("a", now: now)
        #expect(filler.nextDeadline(now: now) == now + .seconds(1), "it works again: the patience is new")
    }

    /// A gateway that closes what it has just accepted is not asked again and again.
    @Test func anEarlyDeathIsAFailure() {
        var filler = PoolFiller(minimum: 1)
        filler.began("a")
        filler.opened("a")
        filler.died("a", openedAt: at(0), now: at(1))
        #expect(filler.missing("a", idle: 0, now: at(1)) == 0)
        filler.died("a", openedAt: at(2), now: at(60))
        #expect(filler.missing("a", idle: 0, now: at(60)) == 1, "an old one may go")
    }
}
