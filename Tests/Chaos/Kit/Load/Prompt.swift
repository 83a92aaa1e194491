package import TestSupport

/// Texts that the gateway has to say word for word: it echoes the question. Of many scripts, with what JSON has to escape
/// and what must not be cut.
package enum Prompt {
    private static let words = [
        "stream", "실시간", "답변", "é", "na\u{0069}\u{0308}ve", "👩‍👩‍👧‍👦", "🏳️‍🌈", "\"quoted\"", "C:\\temp", "tab\there",
        "line\nbreak",
        "日本語", "العربية", "𝒎𝒂𝒕𝒉", "{\"json\":[1,null]}", "/slash/", "끝.", "&<>", "\u{1112}\u{1161}\u{11AB}", "0.5",
    ]

    /// About as many tokens as words, and as seconds at the pace of the simulated gateway.
    package static func text(words count: ClosedRange<Int>, using random: inout SeededGenerator) -> String {
        (0..<Int.random(in: count, using: &random)).map { _ in words.randomElement(using: &random) ?? "" }
            .joined(separator: " ")
    }
}
