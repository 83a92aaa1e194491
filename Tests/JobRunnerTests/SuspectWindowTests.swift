import Testing

@testable import JobRunner

/// How many jobs may run at once that had begun in workers which died.
@Suite struct SuspectWindowTests {
    private static func record(_ workers: String..., alone: Int = 0, lag: Int64 = 0) -> DeathRecord {
        DeathRecord(workers: Set(workers), alone: alone, lag: lag)
    }

    /// Who runs, and whether alone.
    private static func text(_ starts: [SuspectWindow<Int>.Start]) -> String {
        starts.map { "\($0.id)\($0.isAlone ? "!" : "")" }.joined(separator: " ")
    }

    @Test func aThousandInnocentsTakeTenSteps() {
        var window = SuspectWindow<Int>()
        var running = (0..<1_000).flatMap { window.enter($0, Self.record("w")) }.map(\.id)
        var sizes: [Int] = []
        while !running.isEmpty {
            sizes.append(running.count)
            running = running.flatMap { window.left($0, hasPassed: true) }.map(\.id)
        }
        #expect(sizes == [1, 2, 4, 8, 16, 32, 64, 128, 256, 489])
    }

    @Test func onlyWhatEndsWidensIt() {
        var window = SuspectWindow<Int>()
        #expect(Self.text(window.enter(1, Self.record("w"))) == "1!")
        for id in 2...9 { #expect(window.enter(id, Self.record("w")).isEmpty) }
        #expect(Self.text(window.left(1, hasPassed: false)) == "2!", "it was moved")
        #expect(Self.text(window.left(9, hasPassed: true)) == "", "it was cleared before its turn")
        #expect(Self.text(window.left(2, hasPassed: true)) == "3 4")
        #expect(Self.text(window.left(2, hasPassed: true)) == "", "twice")
        #expect(Self.text(window.left(3, hasPassed: true)) == "5 6")
    }

    @Test func whenAWorkerDiesItIsOneAgain() {
        var window = SuspectWindow<Int>()
        for id in 1...20 { _ = window.enter(id, Self.record("w")) }
        for id in 1...3 { _ = window.left(id, hasPassed: true) }
        #expect(window.size == 4)
        #expect(window.enter(21, Self.record("v")).isEmpty && window.size == 1)
        // Those that had begun before do not widen it.
        for id in 4...6 { #expect(window.left(id, hasPassed: true).isEmpty) }
        #expect(Self.text(window.left(7, hasPassed: true)) == "8!" && window.size == 1)
        #expect(window.enter(22, Self.record("v")).isEmpty, "of a death that is known")
        #expect(Self.text(window.left(8, hasPassed: true)) == "9 10")
    }

    /// A group in which a worker died falls apart: each is tried alone, after all that are less suspect.
    @Test func whatDiedTwiceIsTriedAlone() {
        var window = SuspectWindow<Int>()
        #expect(Self.text(window.enter(1, Self.record("w"))) == "1!")
        _ = window.enter(10, Self.record("v", "w"))
        _ = window.enter(11, Self.record("v", "w"))
        _ = window.enter(2, Self.record("w"))
        #expect(Self.text(window.left(1, hasPassed: true)) == "2!", "its window fell back with the second death")
        #expect(Self.text(window.left(2, hasPassed: true)) == "10!")
        #expect(window.enter(3, Self.record("w")).isEmpty, "nothing runs beside it")
        #expect(Self.text(window.left(10, hasPassed: true)) == "3")
        #expect(Self.text(window.left(3, hasPassed: true)) == "11!")
    }

    @Test func whatBeganLastBeforeADeathComesFirst() {
        var window = SuspectWindow<Int>()
        _ = window.enter(0, Self.record("w", lag: 9_999))
        for (id, lag) in [(1, 500), (2, 7), (3, 0), (4, 7)] { _ = window.enter(id, Self.record("w", lag: Int64(lag))) }
        #expect(Self.text(window.left(0, hasPassed: true)) == "3 2")
        #expect(Self.text(window.left(3, hasPassed: true)) == "4 1")
    }

    @Test(arguments: [
        (DeathRecord(workers: ["a", "b"], alone: 2), false),
        (DeathRecord(workers: ["a", "b", "c"], alone: 0), false),
        (DeathRecord(workers: ["a", "b", "c"], alone: 1), true),
        (DeathRecord(workers: ["a", "b", "c"], alone: 1, others: 1), true),
        (DeathRecord(workers: ["a", "b", "c"], alone: 1, others: 2), false),
        (DeathRecord(workers: ["a", "b", "c"], alone: 2, others: 30), true),
        (DeathRecord(workers: ["a", "b", "c", "d"], alone: 1, others: 30), false),
    ])
    func whatIsProven(_ record: DeathRecord, _ isProven: Bool) {
        #expect(record.isProven == isProven)
        #expect(record.mustBeAlone)
    }
}
