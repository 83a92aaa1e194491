internal import Synchronization

/// A number that only grows. Any thread; no lock.
package final class Count: Sendable {
    private let number = Atomic<Int>(0)

    package init() {}

    package var value: Int { number.load(ordering: .relaxed) }

    package func add(_ count: Int = 1) { number.wrappingAdd(count, ordering: .relaxed) }
}

/// How often values fell into which range. Any thread; no lock: what reads while others write may see a value's range before
/// its sum.
package final class Histogram: Sendable {
    /// As Prometheus wants it.
    package struct Reading: Sendable, Equatable {
        /// Upper bounds, and how many values are not over each.
        package var buckets: [(bound: Double, count: Int)]
        package var count: Int
        package var sum: Double

        package static func == (left: Reading, right: Reading) -> Bool {
            left.count == right.count && left.sum == right.sum
                && left.buckets.elementsEqual(right.buckets) { $0.bound == $1.bound && $0.count == $1.count }
        }

        /// The value under which `share` of all values lie, as exact as the buckets are; `nil` where there are none.
        package func quantile(_ share: Double) -> Double? {
            guard count > 0 else { return nil }
            let rank = share * Double(count)
            var (below, start) = (0, 0.0)
            for (bound, through) in buckets {
                if Double(through) >= rank, through > below {
                    return start + (bound - start) * (rank - Double(below)) / Double(through - below)
                }
                (below, start) = (through, bound)
            }
            return buckets.last?.bound
        }
    }

    private let bounds: [Double]
    private let cells: [Count]
    /// In billionths.
    private let sum = Atomic<Int>(0)

    /// - Parameter bounds: ascending; a value that is over all of them is counted too.
    package init(bounds: [Double]) {
        self.bounds = bounds
        cells = (0...bounds.count).map { _ in Count() }
    }

    package func record(_ value: Double) {
        guard value.isFinite, value >= 0 else { return }
        cells[bounds.firstIndex { value <= $0 } ?? bounds.count].add()
        sum.wrappingAdd(Int(min(value, 1e9) * 1e9), ordering: .relaxed)
    }

    package func record(nanoseconds: UInt64) { record(Double(nanoseconds) / 1e9) }

    package var reading: Reading {
        var (buckets, total): ([(bound: Double, count: Int)], Int) = ([], 0)
        for (index, bound) in bounds.enumerated() {
            total += cells[index].value
            buckets.append((bound, total))
        }
        total += cells[bounds.count].value
        return Reading(buckets: buckets, count: total, sum: Double(sum.load(ordering: .relaxed)) / 1e9)
    }

    /// The buckets that OpenTelemetry's conventions advise.
    package enum Bounds {
        package static let operation = [
            0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
        ]
        package static let firstChunk = [
            0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
        ]
        package static let perChunk = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5]
        package static let tokens: [Double] = [
            1, 4, 16, 64, 256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
        ]
        package static let messaging = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
    }
}

/// Counts by name. What is counted may be named by others, so there are no more than `most` names; the rest are `other`. Any
/// thread; a lock, so not for what happens for each token.
package final class NamedCounts: Sendable {
    package static let other = "other"
    private let most: Int
    private let counts = Mutex<[String: Int]>([:])

    package init(most: Int = 64) { self.most = most }

    package func add(_ name: String, _ count: Int = 1) {
        counts.withLock { counts in
            let name = counts[name] != nil || counts.count < most ? name : Self.other
            counts[name, default: 0] &+= count
        }
    }

    /// By name.
    package var all: [(name: String, count: Int)] {
        counts.withLock { $0.sorted { $0.key < $1.key }.map { ($0.key, $0.value) } }
    }
}
