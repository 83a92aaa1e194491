internal import ChatModel

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
        guard let header, let date = HTTPDate.seconds(header, now: Int64(min(max(now, 0), 1e12))) else { return nil }
        return bounded(Double(date) - now)
    }

    private static func number(_ text: String?) -> Double? {
        guard let text = text?.trimmingBlanks, text.utf8.count <= 32,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || $0 == 0x2E })
        else { return nil }
        return Double(text).flatMap { $0.isFinite ? $0 : nil }
    }

    /// - Parameter seconds: finite or not, of either sign.
    static func bounded(_ seconds: Double) -> Duration {
        seconds.isNaN ? .zero : .milliseconds(Int64(min(max(seconds, 0), 86_400) * 1000))
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        let end = self.lastIndex { $0 != " " && $0 != "\t" }.map { self.index(after: $0) } ?? self.startIndex
        return String(self[..<end].drop { $0 == " " || $0 == "\t" })
    }
}
