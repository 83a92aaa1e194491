import Testing

@testable import JobRunner

/// Suspects begin one after the other.
@Suite struct SuspectTurnsTests {
    @Test func oneBeginsWhenTheOneBeforeHas() {
        var turns = SuspectTurns<Int>()
        let taken = [1, 1, 2, 3, 2].map { turns.take($0) }
        #expect(taken == [true, true, false, false, false], "the first has it already when it asks again")
        let next = [1, 1, 2, 3].map { turns.over($0) }
        #expect(next == [2, nil, 3, nil], "it can be over once")
        let isNow = turns.take(4)
        #expect(isNow, "nobody is before it")
    }

    @Test func whoIsGoneHasNoTurn() {
        var turns = SuspectTurns<Int>()
        for id in 1...3 { _ = turns.take(id) }
        let early = turns.over(2)
        #expect(early == nil, "it was not its turn")
        turns.leave(2)
        let next = turns.over(1)
        #expect(next == 3)
    }
}
