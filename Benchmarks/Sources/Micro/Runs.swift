import MicroCases

/// The median time of some rounds, each of as many operations as asked, or of a tenth of a second.
func runForPeople(_ benchmarks: [MicroBenchmark], iterations: Int?) throws {
    let rounds = 7
    let roundTime = 100_000_000.0
    var table = Table([("case", true), ("iterations", false), ("ns/op", false), ("allocations/op", false)])
    for benchmark in benchmarks {
        var work = try benchmark.prepare()
        let trial = Measurement(&work, iterations: benchmark.iterations)
        let perOperation = trial.nanoseconds / Double(benchmark.iterations)
        let iterations = iterations ?? max(1, Int(roundTime / max(perOperation, 1)))
        let measured = (0..<rounds).map { _ in Measurement(&work, iterations: iterations) }
        let time = measured.map(\.nanoseconds).sorted()[rounds / 2] / Double(iterations)
        let allocations = measured.map(\.allocations).min() ?? 0
        table.append([
            benchmark.name, "\(iterations)", tenths(time), "\(Double(allocations) / Double(iterations))",
        ])
    }
    table.printOut()
}

/// One line for each case, fields separated by tabs: name, operation, iterations, allocations of all of them, checksum.
func runForScripts(_ benchmarks: [MicroBenchmark]) throws {
    for benchmark in benchmarks {
        var work = try benchmark.prepare()
        let measured = Measurement(&work, iterations: benchmark.iterations)
        let fields = ["\(benchmark.iterations)", "\(measured.allocations)", "\(measured.checksum)"]
        print(([benchmark.name, benchmark.operation] + fields).joined(separator: "\t"))
    }
}

private func tenths(_ value: Double) -> String { "\((value * 10).rounded() / 10)" }
