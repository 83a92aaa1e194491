import Testing

@testable import JobRunner

/// How many jobs may run at once that had begun in workers which died.
@Suite struct SuspectWindowTests {
    private static func record(_ workers: String..., trials: [Int] = [], lag: Int64 = 0) -> DeathRecord {
        DeathRecord(workers: Set(workers), trials: trials, lag: lag)
    }

    /// Who runs; `!`: alone.
    private static func text(_ starts: [SuspectWindow<Int>.Start]) -> String {
        starts.map { "\($0.id)\($0.suspects == 1 ? "!" : "")" }.joined(separator: " ")
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

    /// A small group in which a worker died falls apart: each is tried alone, before what was one of a crowd.
    @Test func whoDiedOnTrialAmongFewIsTriedAlone() {
        var window = SuspectWindow<Int>()
        #expect(Self.text(window.enter(1, Self.record("w"))) == "1!")
        _ = window.enter(2, Self.record("w"))
        _ = window.enter(10, Self.record("v", "w", trials: [2]))
        _ = window.enter(11, Self.record("v", "w", trials: [2]))
        #expect(Self.text(window.left(1, hasPassed: true)) == "10!", "its window fell back with the second death")
        #expect(window.enter(12, Self.record("v", "w", trials: [2])).isEmpty, "nothing runs beside it")
        #expect(Self.text(window.left(10, hasPassed: true)) == "11!")
        #expect(Self.text(window.left(11, hasPassed: true)) == "12!")
        #expect(Self.text(window.left(12, hasPassed: true)) == "2")
    }

    /// Of a large one what began last is tried first, and so alone; then it goes on in groups.
    @Test func aLargeGroupIsTriedInGroupsAgain() {
        var window = SuspectWindow<Int>()
        #expect(Self.text(window.enter(0, Self.record("w"))) == "0!")
        for id in 1...7 { _ = window.enter(id, Self.record("v", "w", trials: [64], lag: Int64(100 - id))) }
        _ = window.enter(8, Self.record("v"))
        #expect(Self.text(window.left(0, hasPassed: true)) == "7!")
        #expect(Self.text(window.left(7, hasPassed: true)) == "6 5")
        #expect(Self.text(window.left(6, hasPassed: true)) == "4 3")
    }

    /// The many that were on trial twice do not hold up the others.
    @Test func whoDiedOnTrialTwiceIsTriedLast() {
        var window = SuspectWindow<Int>()
        #expect(Self.text(window.enter(0, Self.record("w"))) == "0!")
        _ = window.enter(1, Self.record("u", "v", "w", trials: [16, 64]))
        for id in 2...4 { _ = window.enter(id, Self.record("w", lag: 500)) }
        #expect(Self.text(window.left(0, hasPassed: true)) == "2!")
        #expect(Self.text(window.left(2, hasPassed: true)) == "3 4")
        #expect(Self.text(window.left(3, hasPassed: true)) == "")
        #expect(Self.text(window.left(4, hasPassed: true)) == "1!")
    }

    @Test func aFoundCauseWidensItAgain() {
        var window = SuspectWindow<Int>()
        for id in 1...9 { _ = window.enter(id, Self.record("w", "v", lag: Int64(id))) }
        #expect(window.size == 1)
        let cleared = DeathRecord(workers: ["w"], passed: 3)
        #expect(Self.text(window.reconsidered(9, cleared)) == "9 2 3")
        #expect(Self.text(window.enter(10, DeathRecord(workers: ["u"], passed: 6, lag: 50))) == "4 5 6")
        #expect(window.size == 7)
    }

    @Test func whatBeganLastBeforeADeathComesFirst() {
        var window = SuspectWindow<Int>()
        _ = window.enter(0, Self.record("w", lag: 9_999))
        for (id, lag) in [(1, 500), (2, 7), (3, 0), (4, 7)] { _ = window.enter(id, Self.record("w", lag: Int64(lag))) }
        #expect(Self.text(window.left(0, hasPassed: true)) == "3 2")
        #expect(Self.text(window.left(3, hasPassed: true)) == "4 1")
    }

    /// Somebody who kills workers again and again does not make their jobs wait one for the other.
    @Test func theCrowdOfSeveralDeathsIsTriedInGroups() {
        var window = SuspectWindow<Int>()
        var running = (0..<600).flatMap { window.enter($0, Self.record("w", "v", "u")) }.map(\.id)
        var steps = 0
        while !running.isEmpty {
            steps += 1
            running = running.flatMap { window.left($0, hasPassed: true) }.map(\.id)
        }
        #expect(steps == 10)
    }

    @Test(
        arguments: [
            (["a"], [], 0, false, false),
            (["a", "b", "c"], [], 0, false, false),
            (["a", "b"], [16], 0, false, false),
            (["a", "b"], [9], 0, false, false),
            (["a", "b"], [8], 0, true, false),
            (["a", "b"], [1], 0, true, false),
            (["a", "b", "c"], [16, 64], 0, true, false),
            (["a", "b"], [1, 1], 0, true, false),
            (["a", "b", "c"], [1, 64], 0, true, true),
            (["a", "b", "c"], [1, 4], 3, true, true),
            (["a", "b", "c"], [1, 4], 4, true, false),
            (["a", "b", "c"], [1, 1], 30, true, true),
            (["a", "b", "c", "d"], [1, 4, 8], 30, true, false),
        ] as [([String], [Int], Int, Bool, Bool)])
    func whatARecordMeans(
        _ workers: [String], _ trials: [Int], _ others: Int, _ mustBeAlone: Bool, _ isProven: Bool
    ) {
        let record = DeathRecord(workers: Set(workers), trials: trials, others: others)
        #expect(record.mustBeAlone == mustBeAlone)
        #expect(record.isProven == isProven)
    }
}
