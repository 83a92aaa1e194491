import Glibc

/// Counts of durations in nanoseconds, each within one part in 64; fixed memory.
struct Histogram {
    private var counts = [UInt64](repeating: 0, count: 64 * 64)
    private(set) var total: UInt64 = 0
    private(set) var most: UInt64 = 0

    mutating func add(_ value: UInt64) {
        total += 1
        most = max(most, value)
        counts[Self.index(value)] += 1
    }

    private static func index(_ value: UInt64) -> Int {
        guard value >= 64 else { return Int(value) }
        let exponent = 63 - value.leadingZeroBitCount
        return (exponent - 5) * 64 + Int(value >> UInt64(exponent - 6)) - 64
    }

    /// The upper end of the class that holds the value.
    func percentile(_ part: Double) -> UInt64 {
        let goal = UInt64((Double(total) * part).rounded(.up))
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() where count > 0 {
            seen += count
            if seen >= goal { return min(most, Self.end(index)) }
        }
        return most
    }

    private static func end(_ index: Int) -> UInt64 {
        guard index >= 64 else { return UInt64(index) }
        let exponent = index / 64 + 5
        return (UInt64(index % 64 + 64) + 1) << UInt64(exponent - 6) - 1
    }

    /// In milliseconds.
    var json: String {
        func ms(_ nanoseconds: UInt64) -> String { String(Double(nanoseconds / 1_000) / 1_000) }
        return "{\"p50\":\(ms(percentile(0.5))),\"p99\":\(ms(percentile(0.99))),\"p999\":\(ms(percentile(0.999))),"
            + "\"max\":\(ms(most))}"
    }
}

enum Clock {
    /// The clock of the stamps in the tokens: CLOCK_MONOTONIC, in nanoseconds.
    static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Processor time of this process, user and system, in microseconds.
    static func processor() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1_000_000 + Int(usage.ru_utime.tv_usec)
            + Int(usage.ru_stime.tv_usec)
    }
}
