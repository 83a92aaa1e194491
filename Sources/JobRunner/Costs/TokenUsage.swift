internal import ChatModel

/// The tokens of one attempt.
struct TokenUsage: Sendable, Equatable {
    var promptTokens: Int
    var completionTokens: Int
    /// Counted or guessed by the worker; else the provider's numbers.
    var isEstimated: Bool

    /// Nothing was asked, or nothing came: nothing was sold that we know of.
    static let none = TokenUsage(promptTokens: 0, completionTokens: 0, isEstimated: true)

    init(promptTokens: Int, completionTokens: Int, isEstimated: Bool) {
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.isEstimated = isEstimated
    }

    /// The provider's where it sent one; else estimated.
    init(_ log: borrowing AnswerLog, requestBytes: Int) {
        if !log.usage.isEmpty, let usage = try? JSONValue(parsing: log.usage),
            let prompt = usage["prompt_tokens"]?.integerValue,
            let completion = usage["completion_tokens"]?.integerValue,
            (0...Self.most).contains(prompt), (0...Self.most).contains(completion)
        {
            self.init(promptTokens: prompt, completionTokens: completion, isEstimated: false)
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
    private static let most = 1 << 40
}
