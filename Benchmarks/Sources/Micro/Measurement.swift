import CMicroMeter
import MicroCases

/// One run of a prepared case.
struct Measurement {
    let nanoseconds: Double
    let allocations: UInt64
    let checksum: UInt64

    /// What `micro_measured` hands on. The case stays where it is: a copy would share its buffers, and so be measured
    /// with the copying of them.
    private struct Run {
        let work: UnsafeMutablePointer<any MicroCase>
        let iterations: Int
        var checksum: UInt64 = 0
    }

    init(_ work: inout any MicroCase, iterations: Int) {
        let clock = ContinuousClock()
        let allocated = micro_allocations()
        let start = clock.now
        checksum = withUnsafeMutablePointer(to: &work) { work in
            var run = Run(work: work, iterations: iterations)
            withUnsafeMutablePointer(to: &run) { run in
                micro_measured(
                    { context in
                        let run = context.assumingMemoryBound(to: Run.self)
                        run.pointee.checksum = run.pointee.work.pointee.run(run.pointee.iterations)
                    }, run)
            }
            return run.checksum
        }
        nanoseconds = (clock.now - start) / .nanoseconds(1)
        allocations = micro_allocations() - allocated
    }
}
