package import ChatModel

/// An instant as a person writes it: RFC 3339, or so long ago (`90s`, `2h`, `7d`).
package enum PointInTime {
    package static func parse(_ text: String, now: Timestamp) -> Timestamp? {
        if let instant = Timestamp(rfc3339: text) { return instant }
        guard let duration = try? DurationText.parse(text) else { return nil }
        let (instant, overflows) = now.milliseconds.subtractingReportingOverflow(duration.wholeMilliseconds)
        return overflows ? nil : Timestamp(milliseconds: instant)
    }
}
