/// A case by its name, with what one operation of it is.
public struct MicroBenchmark: Sendable, CustomStringConvertible {
    /// `PART/VARIANT`; the key in `Benchmarks/baseline.json`.
    public let name: String
    /// What is done once in an iteration.
    public let operation: String
    /// Operations that are counted: enough that what is done once does not show, few enough for callgrind.
    public let iterations: Int
    private let make: @Sendable () throws -> any MicroCase

    init(
        _ name: String, _ operation: String, iterations: Int, make: @escaping @Sendable () throws -> any MicroCase
    ) {
        self.name = name
        self.operation = operation
        self.iterations = iterations
        self.make = make
    }

    public var description: String { name }

    /// The case, ready to run, with everything grown to its final size.
    public func prepare() throws -> any MicroCase {
        var work = try make()
        guard work.run(max(1, iterations / 4)) > 0 else { throw BrokenSample(description: "\(name) does not work") }
        return work
    }
}
