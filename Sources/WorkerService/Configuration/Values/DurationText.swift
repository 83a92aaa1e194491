/// Durations as people write them: `500ms`, `10s`, `1m30s`, `2h`, `7d`.
enum DurationText {
    /// Largest first, as they have to be written.
    private static let units: [(name: String, milliseconds: Int64)] = [
        ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1),
    ]
    static let hint = #"write a whole number and a unit (ms, s, m, h, d), as "10s", "500ms", "1m30s""#

    static func parse(_ text: String) throws(ConfigurationValueError) -> Duration {
        let bytes = Array(text.utf8)
        var index = 0
        var lastUnit = -1
        var total: Int64 = 0
        guard !bytes.isEmpty else { throw ConfigurationValueError("is empty; \(hint)") }
        while index < bytes.count {
            let digits = run(of: { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }, in: bytes, at: &index)
            let letters = run(of: { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0) }, in: bytes, at: &index)
            guard let number = Int64(digits), let unit = units.firstIndex(where: { $0.name == letters }),
                unit > lastUnit
            else { throw ConfigurationValueError("is not a duration; \(hint)") }
            let (product, isTooLarge) = number.multipliedReportingOverflow(by: units[unit].milliseconds)
            let (sum, overflows) = total.addingReportingOverflow(product)
            guard !isTooLarge, !overflows else { throw ConfigurationValueError("is too long") }
            lastUnit = unit
            total = sum
        }
        return .milliseconds(total)
    }

    /// The shortest text that reads back as the same value; milliseconds are the finest.
    static func render(_ duration: Duration) -> String {
        var rest = duration.wholeMilliseconds
        guard rest > 0 else { return "0s" }
        var text = ""
        for unit in units where rest >= unit.milliseconds {
            text += "\(rest / unit.milliseconds)\(unit.name)"
            rest %= unit.milliseconds
        }
        return text
    }

    private static func run(of condition: (UInt8) -> Bool, in bytes: [UInt8], at index: inout Int) -> String {
        let start = index
        while index < bytes.count, condition(bytes[index]) { index += 1 }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }
}

extension Duration {
    /// Rounded down; a duration longer than 292 million years is cut to that.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflows) = seconds.multipliedReportingOverflow(by: 1_000)
        return overflows ? .max : product.addingReportingOverflow(attoseconds / 1_000_000_000_000_000).partialValue
    }
}
