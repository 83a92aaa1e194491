/// All that came of a job in one line: `published 12.30; attempt 1 run ab: 0-17 chunk, 18 completion at 13.52; webhook ...`
package struct JobStory: Sendable {
    package let line: String

    package init(_ job: JobRecord) {
        var parts = ["\(job.certainty.rawValue), published \(Self.time(job.publishedAt))"]
        for attempt in Self.attempts(job.replies) {
            let ranges = Self.ranges(attempt.filter { !$0.isTerminal }.map(\.sequence))
            let head = attempt.first.map { "attempt \($0.attempt) run \($0.run)" } ?? ""
            var text = "\(head) from \(Self.time(attempt.first?.at ?? 0)): \(ranges)"
            for terminal in attempt where terminal.isTerminal {
                text += ", \(terminal.kind.rawValue)\(terminal.code.map { " " + $0 } ?? "") "
                text += "\(terminal.sequence) at \(Self.time(terminal.at))"
            }
            parts.append(text)
        }
        for webhook in job.webhooks { parts.append("webhook of \(webhook.attempt) at \(Self.time(webhook.at))") }
        line = parts.joined(separator: "; ")
    }

    /// In the order of their first messages.
    private static func attempts(_ replies: [ReplySeen]) -> [[ReplySeen]] {
        var keys: [String] = []
        var attempts: [String: [ReplySeen]] = [:]
        for reply in replies {
            let key = "\(reply.attempt) \(reply.run)"
            if attempts[key] == nil { keys.append(key) }
            attempts[key, default: []].append(reply)
        }
        return keys.compactMap { attempts[$0] }
    }

    /// `0-3,5`
    static func ranges(_ numbers: [Int64]) -> String {
        var ranges: [(Int64, Int64)] = []
        for number in numbers.sorted() {
            if let last = ranges.last, last.1 == number - 1 {
                ranges[ranges.count - 1].1 = number
            } else {
                ranges.append((number, number))
            }
        }
        return ranges.map { $0.0 == $0.1 ? "\($0.0)" : "\($0.0)-\($0.1)" }.joined(separator: ",")
    }

    private static func time(_ seconds: Double) -> String { String(Double(Int(seconds * 1_000)) / 1_000) }
}

/// The beginning of a text and its length.
struct Excerpt: CustomStringConvertible {
    let description: String

    init(_ text: String) { description = "\"\(text.prefix(24))\" (\(text.utf8.count) bytes)" }
}
