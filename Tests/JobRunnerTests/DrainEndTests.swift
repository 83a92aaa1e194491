import Testing

@testable import JobRunner

/// A drain ends at its deadline, or sooner if somebody says so.
@Suite struct DrainEndTests {
    @Test(.timeLimit(.minutes(1))) func endsAtItsDeadline() async {
        let end = DrainEnd()
        let start = ContinuousClock.now
        await end.reached(by: start + .milliseconds(30))
        #expect(ContinuousClock.now - start >= .milliseconds(30))
    }

    /// Everybody who waits, and whoever comes later.
    @Test(.timeLimit(.minutes(1))) func endsSooner() async {
        let end = DrainEnd()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { await end.reached(by: .now + .seconds(600)) } }
            end.end()
        }
        await end.reached(by: .now + .seconds(600))
    }

    @Test(.timeLimit(.minutes(1))) func aCancelledTaskDoesNotWait() async {
        let end = DrainEnd()
        let waiter = Task { await end.reached(by: .now + .seconds(600)) }
        await Task.yield()
        waiter.cancel()
        await waiter.value
    }
}
