/// How long a gateway asks to be left alone.
enum RetryAfter {
    /// Longer wishes are cut to a day; whoever reads this decides whether to wait at all.
    static let limit = Duration.seconds(86_400)

    /// - Parameters:
    ///   - milliseconds: `retry-after-ms`, which wins.
    ///   - header: `Retry-After`: seconds (fractions allowed) or an HTTP date (RFC 9110, section 10.2.3).
    ///   - now: seconds since 1970.
    static func parse(milliseconds: String?, header: String?, now: Double) -> Duration? {
        if let wait = number(milliseconds) { return bounded(wait / 1000) }
        if let wait = number(header) { return bounded(wait) }
        guard let header, let date = HTTPDate.seconds(header) else { return nil }
        return bounded(date - now)
    }

    private static func number(_ text: String?) -> Double? {
        guard let text, text.utf8.count <= 32, text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E })
        else { return nil }
        return Double(text).flatMap { $0.isFinite ? $0 : nil }
    }

    private static func bounded(_ seconds: Double) -> Duration {
        .milliseconds(Int64(min(max(seconds, 0), 86_400) * 1000))
    }
}

/// The one form of date that HTTP still lets be sent: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
enum HTTPDate {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// Seconds since 1970.
    static func seconds(_ text: String) -> Double? {
        guard text.utf8.count == 29 else { return nil }
        let words = text.split(separator: " ")
        guard words.count == 6, words[5] == "GMT", let day = Int(words[1]), (1...31).contains(day),
            let month = months.firstIndex(where: { $0 == words[2] }), let year = Int(words[3]),
            (1970...9999).contains(year)
        else { return nil }
        let clock = words[4].split(separator: ":").compactMap { Int($0) }
        guard clock.count == 3, (0...23).contains(clock[0]), (0...59).contains(clock[1]), (0...60).contains(clock[2])
        else { return nil }
        let days = daysSince1970(year: year, month: month + 1, day: day)
        return Double(days * 86_400 + clock[0] * 3600 + clock[1] * 60 + clock[2])
    }

    /// Howard Hinnant's `days_from_civil`, for years from 1970.
    private static func daysSince1970(year: Int, month: Int, day: Int) -> Int {
        let year = month <= 2 ? year - 1 : year
        let era = year / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }
}
