import MicroCases
import Testing

/// What `make bench-check` counts is worth something only while the cases do what they say.
@Suite struct MicroCasesTests {
    @Test(arguments: MicroBenchmark.all)
    func worksAndRepeatsItself(_ benchmark: MicroBenchmark) throws {
        var (first, second) = (try benchmark.prepare(), try benchmark.prepare())
        let sum = first.run(3)
        #expect(sum > 0)
        #expect(second.run(3) == sum)
    }

    @Test func everyCaseHasItsOwnName() {
        #expect(Set(MicroBenchmark.all.map(\.name)).count == MicroBenchmark.all.count)
    }
}
