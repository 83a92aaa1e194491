internal import ChatModel

/// The tokens of one attempt.
struct TokenUsage: Sendable, Equatable {
    /// All of the request, with those of the next two.
    var promptTokens: Int
    /// What the provider charges as answer, reasoning included.
    var completionTokens: Int
    /// Of the prompt's tokens, those that the provider found in its cache.
    var cachedTokens = 0
    /// Of the prompt's tokens, those that the provider wrote to its cache.
    var cacheWriteTokens = 0
    /// Counted or guessed by the worker; else the provider's numbers.
    var isEstimated: Bool

    /// Nothing was asked, or nothing came: nothing was sold that we know of.
    static let none = TokenUsage(promptTokens: 0, completionTokens: 0, isEstimated: true)

    init(
        promptTokens: Int, completionTokens: Int, cachedTokens: Int = 0, cacheWriteTokens: Int = 0, isEstimated: Bool
    ) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cachedTokens = cachedTokens
        self.cacheWriteTokens = cacheWriteTokens
        self.isEstimated = isEstimated
    }

    /// The provider's where it sent one; else estimated.
    init(_ log: borrowing AnswerLog, requestBytes: Int) {
        if let reported = ProviderUsage(log.usage) {
            self = reported.usage
        } else if log.outputChunks == 0 {
            self = .none
        } else {
            // A gateway sends about one token a chunk.
            self.init(
                promptTokens: Self.promptTokens(ofRequest: requestBytes), completionTokens: log.outputChunks,
                isEstimated: true)
        }
    }

    /// An attempt whose worker died: nobody knows how far it came. A model writes less than a hundred tokens a second, and
    /// not more than it was allowed.
    ///
    /// - Parameter now: when it was found out; milliseconds since 1970.
    init(killed start: AttemptStart, now: Int64) {
        let time = min(max(now - start.began, 0), 86_400_000)
        self.init(
            promptTokens: start.promptTokens,
            completionTokens: min(start.mostTokens, Int(time * Self.tokensPerSecond / 1_000)), isEstimated: true)
    }

    var totalTokens: Int { promptTokens &+ completionTokens }

    /// About four bytes of English a token (OpenAI's rule of thumb).
    static func promptTokens(ofRequest bytes: Int) -> Int { (bytes + 3) / 4 }

    private static let tokensPerSecond: Int64 = 100
}
