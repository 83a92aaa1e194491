internal import ChatModel

/// Reads `Retry-After` (RFC 9110 section 10.2.3): seconds, or a date in any of HTTP's forms; blanks around it do not count.
enum RetryAfter {
    /// `nil` for anything else; a date that has passed is zero.
    /// - Parameter now: milliseconds since 1970.
    static func parse(_ text: String, now: Int64) -> Duration? {
        let bytes = Array(text.utf8).trimmingBlanks
        if !bytes.isEmpty, bytes.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) {
            // More digits than this is for ever.
            return .seconds(bytes.count > 9 ? 1_000_000_000 : bytes.reduce(0) { $0 * 10 + Int64($1 & 0xF) })
        }
        guard let seconds = HTTPDate.seconds(text, now: now / 1_000) else { return nil }
        let (wait, overflow) = (seconds * 1_000).subtractingReportingOverflow(now)
        return .milliseconds(overflow ? 0 : max(0, wait))
    }
}

extension [UInt8] {
    /// Without the spaces and tabs at its ends.
    fileprivate var trimmingBlanks: ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        let end = self.lastIndex { !isBlank($0) }.map { $0 + 1 } ?? self.startIndex
        return self[..<end].drop(while: isBlank)
    }
}
