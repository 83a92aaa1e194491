internal import ChatModel

/// Reads how long gateways ask to be left alone, in the forms in which they write it. Nothing traps, whatever they write, and
/// nothing is longer than `RetryAfter.limit`.
enum WaitText {
    /// A whole text, as headers and `RetryInfo` have it: `20ms`, `1s`, `6m0s`, `7.66s`, `1h2m3s`; seconds without a unit; an
    /// instant as Unix time in seconds or milliseconds, in RFC 3339, or as HTTP writes dates.
    ///
    /// - Parameter now: seconds since 1970.
    static func parse(_ text: String?, now: Double) -> Duration? {
        guard let text, text.utf8.count <= 64 else { return nil }
        let bytes = Array(text.lowercased().utf8).trimmed
        if let (seconds, end) = duration(bytes, from: 0), end == bytes.count { return RetryAfter.bounded(seconds) }
        if let (number, end) = number(bytes, from: 0), end == bytes.count {
            return RetryAfter.bounded(number >= 1e11 ? number / 1_000 - now : number >= 1e8 ? number - now : number)
        }
        let plain = String(decoding: bytes, as: UTF8.self)
        if let instant = Timestamp(rfc3339: plain) {
            return RetryAfter.bounded(Double(instant.milliseconds) / 1_000 - now)
        }
        let seconds = HTTPDate.seconds(text, now: Int64(min(max(now, 0), 1e12)))
        return seconds.map { RetryAfter.bounded(Double($0) - now) }
    }

    /// What a sentence asks for: "Please try again in 7m12.5s", "Please retry after 10 seconds.", "retry in 45.5s".
    static func said(in text: RefusedText) -> Duration? {
        for phrase in [
            "try again in ", "retry in ", "retry after ", "try again after ", "please wait ", "reset in ", "resets in ",
        ] {
            guard let start = text.index(behind: phrase) else { continue }
            if let (seconds, _) = duration(text.bytes, from: start) { return RetryAfter.bounded(seconds) }
            guard let (seconds, end) = number(text.bytes, from: start), isEnd(text.bytes, at: end) else { continue }
            return RetryAfter.bounded(seconds)
        }
        return nil
    }

    /// A number without a unit is one of seconds, unless a date or a word begins with it.
    private static func isEnd(_ bytes: [UInt8], at index: Int) -> Bool {
        guard index < bytes.count else { return true }
        return [0x0A, 0x29, 0x22].contains(bytes[index])
            || (bytes[index] == 0x2E && (index + 1 == bytes.count || bytes[index + 1] == 0x20))
    }

    /// Numbers with units, one behind the other. - Returns: seconds, and where the text goes on.
    private static func duration(_ bytes: [UInt8], from start: Int) -> (seconds: Double, end: Int)? {
        var (total, end, at) = (0.0, start, start)
        while let (value, behind) = number(bytes, from: at) {
            var next = behind
            if next < bytes.count, bytes[next] == 0x20 { next += 1 }
            guard let (unit, behindUnit) = unit(bytes, from: next) else { break }
            total += value * unit
            end = behindUnit
            at = behindUnit
            while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x2C { at += 1 }
            if bytes[at...].starts(with: "and ".utf8) { at += 4 }
        }
        return end > start ? (total, end) : nil
    }

    private static func number(_ bytes: [UInt8], from start: Int) -> (value: Double, end: Int)? {
        let digits = bytes[start...].prefix { (0x30...0x39).contains($0) || $0 == 0x2E }
        var kept = digits
        // A full stop ends the sentence.
        if kept.last == 0x2E { kept.removeLast() }
        guard !kept.isEmpty, kept.count <= 32, let value = Double(String(decoding: kept, as: UTF8.self)), value.isFinite
        else { return nil }
        return (value, start + kept.count)
    }

    private static func unit(_ bytes: [UInt8], from start: Int) -> (seconds: Double, end: Int)? {
        let word = bytes[start...].prefix { (0x61...0x7A).contains($0) || $0 > 0x7F }
        let seconds: Double
        switch String(decoding: word, as: UTF8.self) {
        case "ns": seconds = 1e-9
        case "us", "\u{B5}s", "\u{3BC}s": seconds = 1e-6
        case "ms", "msec", "millisecond", "milliseconds": seconds = 1e-3
        case "s", "sec", "secs", "second", "seconds": seconds = 1
        case "m", "min", "mins", "minute", "minutes": seconds = 60
        case "h", "hr", "hrs", "hour", "hours": seconds = 3_600
        case "d", "day", "days": seconds = 86_400
        default: return nil
        }
        return (seconds, start + word.count)
    }
}

extension [UInt8] {
    /// Without blanks around it.
    fileprivate var trimmed: [UInt8] {
        let end = lastIndex { $0 != 0x20 && $0 != 0x09 }.map { $0 + 1 } ?? 0
        return Array(self[..<end].drop { $0 == 0x20 || $0 == 0x09 })
    }
}
