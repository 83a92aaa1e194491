/// A text cut into tokens and escaped once, so that a token costs no more than a copy when it is sent.
///
/// Tokens are cut between Unicode scalars and not between characters, as real tokenizers do: emoji sequences and
/// combining marks are spread over several tokens. With split surrogates even one scalar is spread over two.
struct TokenScript: Sendable {
    /// How a text becomes tokens.
    struct Style: Sendable, Equatable {
        var escape: EscapeMode = .none
        /// Cuts `\uD83D\uDE00` between its halves; the two go out in different tokens.
        var splitSurrogates = false
        var seed: UInt64 = 1
    }

    /// What goes between the quotes of `"content": "…"`, token after token.
    private let wire: [UInt8]
    private let wireEnds: [Int]
    /// The same text decoded. A split scalar belongs to the token of its second half.
    private let text: [UInt8]
    private let textEnds: [Int]
    /// Tokens that end with the first half of a pair.
    private let endsInHalf: Set<Int>

    /// Tokens in the script.
    var count: Int { wireEnds.count }

    init(text: String, style: Style) {
        var cutter = TokenCutter(style: style)
        for scalar in text.unicodeScalars {
            cutter.append(scalar)
        }
        cutter.endToken()
        self.wire = cutter.wire
        self.wireEnds = cutter.wireEnds
        self.text = cutter.text
        self.textEnds = cutter.textEnds
        self.endsInHalf = cutter.endsInHalf
    }

    /// Calls with the escaped bytes of a token; the script repeats itself at its end. An empty script has empty tokens.
    @inline(__always)
    func withToken<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        guard count > 0 else { return body(UnsafeRawBufferPointer(start: nil, count: 0)) }
        let token = index % count
        let start = token == 0 ? 0 : wireEnds[token - 1]
        return wire.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[start..<wireEnds[token]])) }
    }

    /// The decoded text of `length` tokens from `start`; a last half of a pair, left alone, is U+FFFD.
    func decoded(from start: Int, length: Int) -> String {
        guard count > 0, length > 0 else { return "" }
        var bytes: [UInt8] = []
        for index in start..<(start + length) {
            let token = index % count
            bytes.append(contentsOf: text[(token == 0 ? 0 : textEnds[token - 1])..<textEnds[token]])
        }
        if endsInHalf.contains((start + length - 1) % count) {
            bytes.append(contentsOf: [0xEF, 0xBF, 0xBD])
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// A token at or after `index` that does not begin with the second half of a pair.
    func safeStart(near index: Int) -> Int {
        guard count > 0 else { return 0 }
        var start = index % count
        while start > 0, endsInHalf.contains(start - 1) {
            start = (start + 1) % count
        }
        return start
    }
}
