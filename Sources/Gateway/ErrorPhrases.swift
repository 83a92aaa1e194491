/// Words of one gateway's refusals that an operator has added: `[gateways.NAME.errors]`. They go before all that is known of
/// providers, whatever the status is.
public struct ErrorPhrases: Sendable, Equatable {
    /// In lower case.
    private var phrases: [(kind: RefusalKind, phrase: String)] = []

    public init() {}

    /// - Parameter phrases: each is looked for anywhere in message, type and code; case does not matter.
    public init(_ phrases: [RefusalKind: [String]]) {
        self.phrases = RefusalKind.allCases.flatMap { kind in
            (phrases[kind] ?? []).filter { !$0.isEmpty }.map { (kind, $0.lowercased()) }
        }
    }

    public static func == (left: Self, right: Self) -> Bool {
        left.phrases.elementsEqual(right.phrases) { $0 == $1 }
    }

    /// - Parameter words: type and code.
    func kind(of text: RefusedText, _ words: [String?]) -> RefusalKind? {
        guard !phrases.isEmpty else { return nil }
        let words = RefusedText(words.compactMap { $0 })
        return phrases.first { text.contains($0.phrase) || words.contains($0.phrase) }?.kind
    }
}
