import ChatModel
import JobRunner

/// Dead letters for people.
enum DeadLetterText {
    private static let head = ["DEAD AT", "KIND", "ID", "CUSTOMER", "REASON", "STAGE", "TRIES", "SIZE"]

    static func table(_ letters: [DeadLetter]) -> String {
        let rows = [head] + letters.map(cells)
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let padded = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            return String(padded.joined(separator: "  ").reversed().drop { $0 == " " }.reversed())
        }.joined(separator: "\n")
    }

    private static func cells(_ letter: DeadLetter) -> [String] {
        [
            letter.deadAt?.rfc3339 ?? "-", letter.kind.rawValue, letter.id ?? "-", letter.customer ?? "-", letter.code,
            letter.stage ?? "-", letter.tries.map { "\($0)" } ?? "-", "\(letter.size)",
        ]
    }

    /// Names one in a sentence: `job order-1 of acme (expired, dead since ...)`.
    static func name(_ letter: DeadLetter) -> String {
        let since = letter.deadAt.map { ", dead since \($0.rfc3339)" } ?? ""
        return "\(letter.kind.rawValue) \(letter.id ?? "without an id (\(letter.size) bytes)") of "
            + "\(letter.customer ?? "nobody known") (\(letter.code)\(since))"
    }
}

extension [JSONValue.Member] {
    /// One line.
    var line: String { String(decoding: JSONValue.object(self).serialized(), as: UTF8.self) }
}
