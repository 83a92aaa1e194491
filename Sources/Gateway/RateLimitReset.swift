/// When the limit that a request has met is over, as the headers of rate limits say it (`x-ratelimit-reset-tokens: 6m0s`). A
/// gateway sends them for each of its limits, and most of those were not met.
enum RateLimitReset {
    /// One limit: its names in `…-remaining…` and `…-reset…`.
    private struct Limit {
        var remaining: String
        var reset: String
        var isOfTokens: Bool
    }

    private struct Reading {
        var wait: Duration
        /// `nil`: not said.
        var isExhausted: Bool?
        var isOfTokens: Bool
    }

    /// The wait for the limits that are exhausted (`remaining` is 0), all of them. If none says that it is: for those that the
    /// error's words name; else for those that say nothing of what remains; else for tokens, since a request may need more of
    /// them than are left.
    ///
    /// - Parameters:
    ///   - words: `type` and `code` of the error; OpenAI's type is `tokens` or `requests`.
    ///   - now: seconds since 1970.
    static func wait(words: [String], now: Double, _ header: (String) -> String?) -> Duration? {
        let readings = limits.compactMap { limit -> Reading? in
            guard let wait = WaitText.parse(header(limit.reset), now: now) else { return nil }
            let remaining = header(limit.remaining).flatMap { Double($0) }
            return Reading(wait: wait, isExhausted: remaining.map { $0 <= 0 }, isOfTokens: limit.isOfTokens)
        }
        func longest(_ isMeant: (Reading) -> Bool) -> Duration? { readings.filter(isMeant).map(\.wait).max() }
        if let wait = longest({ $0.isExhausted == true }) { return wait }
        if words.contains("tokens"), let wait = longest(\.isOfTokens) { return wait }
        if words.contains("requests"), let wait = longest({ !$0.isOfTokens }) { return wait }
        return longest { $0.isExhausted == nil } ?? longest(\.isOfTokens)
    }

    /// OpenAI, Azure, Groq, Together; Cerebras' with a span; Anthropic's; OpenRouter's and others' without a kind.
    private static let limits: [Limit] = {
        let spans = ["", "-minute", "-hour", "-day"]
        var all = ["requests", "tokens"].flatMap { kind in
            spans.map { span in
                Limit(
                    remaining: "x-ratelimit-remaining-\(kind)\(span)", reset: "x-ratelimit-reset-\(kind)\(span)",
                    isOfTokens: kind == "tokens")
            }
        }
        all += ["requests", "tokens", "input-tokens", "output-tokens", "unified"].map { kind in
            Limit(
                remaining: "anthropic-ratelimit-\(kind)-remaining", reset: "anthropic-ratelimit-\(kind)-reset",
                isOfTokens: kind.hasSuffix("tokens"))
        }
        all += ["x-ratelimit", "ratelimit"].map {
            Limit(remaining: "\($0)-remaining", reset: "\($0)-reset", isOfTokens: false)
        }
        return all
    }()
}
