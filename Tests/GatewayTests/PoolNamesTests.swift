import NIOCore
import Testing

@testable import Gateway

/// Jobs name models, any number of them, and connections are kept by their names.
@Suite struct PoolNamesTests {
    @Test func idleConnections() {
        let budget = IdleBudget(maximum: 2)
        let kept = (0..<1_000).filter { budget.take("m\($0)") }
        #expect(kept.count == 2 * IdleBudget.models)
        budget.give("m0")
        budget.give("m999")
        #expect(budget.take("x") && !budget.take("y"), "what was never taken is not given back")
    }

    @Test func openedAhead() {
        var filler = PoolFiller(minimum: 1)
        var now = NIODeadline.uptimeNanoseconds(1)
        for number in 0..<5_000 {
            now = now + .milliseconds(1)
            filler.died("m\(number)", openedAt: now, now: now)
            #expect(filler.lineCount <= PoolFiller.mostLines)
        }
        now = now + .seconds(10)
        filler.died("late", openedAt: now, now: now)
        #expect(filler.lineCount == 1 && filler.missing("late", idle: 0, now: now) == 0)
    }
}
