import MicroCases

let usage = """
    Measures single pieces of the worker, each alone.
    usage: micro list                               the cases
           micro run [CASE...] [--iterations N]     time and allocations of an operation, for people
           micro measure [CASE...]                  runs each case once, for scripts/bench-check under callgrind
    """

var arguments = CommandLine.arguments.dropFirst()
let command = arguments.popFirst() ?? "help"
var iterations: Int?
var benchmarks: [MicroBenchmark] = []
while let argument = arguments.popFirst() {
    if argument == "--iterations" {
        guard let number = arguments.popFirst().flatMap({ Int($0) }), number > 0 else {
            fail("micro: --iterations wants a number")
        }
        iterations = number
    } else if let benchmark = MicroBenchmark.all.first(where: { $0.name == argument }) {
        benchmarks.append(benchmark)
    } else {
        fail("micro: there is no case \(argument)\n\(usage)")
    }
}
if benchmarks.isEmpty { benchmarks = MicroBenchmark.all }

switch command {
case "list":
    var table = Table([("case", true), ("operation", true), ("iterations", false)])
    for benchmark in benchmarks { table.append([benchmark.name, benchmark.operation, "\(benchmark.iterations)"]) }
    table.printOut()
case "run": try runForPeople(benchmarks, iterations: iterations)
case "measure": try runForScripts(benchmarks)
default: fail(usage)
}
