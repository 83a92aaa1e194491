/// Dates as HTTP writes them (RFC 9110, section 5.6.7): the form that is sent today, and the two old ones that whoever reads
/// has to understand.
public enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Seconds since 1970; `nil` for anything else. Blanks around it do not count.
    ///
    /// - `Sun, 06 Nov 1994 08:49:37 GMT`
    /// - `Sunday, 06-Nov-94 08:49:37 GMT` (RFC 850): the year is of this century, or of the last if it would lie more than 50
    ///   years ahead.
    /// - `Sun Nov  6 08:49:37 1994` (asctime)
    ///
    /// - Parameter now: seconds since 1970.
    public static func seconds(_ text: some StringProtocol, now: Int64) -> Int64? {
        guard text.utf8.count <= 64 else { return nil }
        let words = text.split { $0 == " " || $0 == "\t" }
        switch words.count {
        case 6 where words[0].hasSuffix(",") && words[5] == "GMT":
            guard let year = number(words[3], digits: 4...4, 1970...9999) else { return nil }
            return instant(day: words[1], month: words[2], year: year, clock: words[4])
        case 4 where words[0].hasSuffix(",") && words[3] == "GMT":
            let date = words[1].split(separator: "-", omittingEmptySubsequences: false)
            guard date.count == 3, let short = number(date[2], digits: 2...2, 0...99) else { return nil }
            return instant(day: date[0], month: date[1], year: year(short, now: now), clock: words[2])
        case 5:
            guard let year = number(words[4], digits: 4...4, 1970...9999) else { return nil }
            return instant(day: words[2], month: words[1], year: year, clock: words[3])
        default: return nil
        }
    }

    private static func year(_ short: Int64, now: Int64) -> Int64 {
        // Good enough to tell centuries apart.
        let current = 1970 + now / 31_556_952
        let year = current - current % 100 + short
        return year > current + 50 ? year - 100 : year
    }

    private static func instant(
        day: some StringProtocol, month: some StringProtocol, year: Int64, clock: some StringProtocol
    ) -> Int64? {
        let parts = clock.split(separator: ":", omittingEmptySubsequences: false)
        guard let day = number(day, digits: 1...2, 1...31), let month = months.firstIndex(where: { $0 == month }),
            parts.count == 3, let hour = number(parts[0], digits: 2...2, 0...23),
            let minute = number(parts[1], digits: 2...2, 0...59), let second = number(parts[2], digits: 2...2, 0...60)
        else { return nil }
        return Timestamp.daysSince1970(year, Int64(month) + 1, day) * 86_400 + hour * 3_600 + minute * 60 + second
    }

    private static func number(
        _ text: some StringProtocol, digits: ClosedRange<Int>, _ range: ClosedRange<Int64>
    ) -> Int64? {
        guard digits.contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = Int64(text), range.contains(number)
        else { return nil }
        return number
    }
}
