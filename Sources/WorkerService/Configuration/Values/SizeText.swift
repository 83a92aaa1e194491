/// Sizes in bytes: an integer, or a text with a unit of 1024: `64KiB`, `1MiB`, `2GiB`.
enum SizeText {
    private static let units: [(name: String, bytes: Int)] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
    static let hint = #"write bytes as an integer, or a text as "64KiB", "1MiB", "2GiB""#

    static func parse(_ text: String) throws(ConfigurationValueError) -> Int {
        for unit in units where text.hasSuffix(unit.name) {
            let digits = text.dropLast(unit.name.count)
            guard digits.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
                let number = Int(digits)
            else { break }
            let (size, overflows) = number.multipliedReportingOverflow(by: unit.bytes)
            guard !overflows else { throw ConfigurationValueError("is too large") }
            return size
        }
        throw ConfigurationValueError("is not a size; \(hint)")
    }

    static func render(_ size: Int) -> String {
        let unit = units.first { size >= $0.bytes && size % $0.bytes == 0 }
        return unit.map { "\(size / $0.bytes)\($0.name)" } ?? "\(size)"
    }
}
