/// Sentences in which providers say the kinds of refusal, in lower case. Each stands in a message that was seen.
enum RefusalPhrases {
    /// - Returns: the first kind that is found. A rate limit goes first: it speaks of tokens, too.
    static func kind(of text: RefusedText) -> RefusalKind? {
        order.first { _, phrases in phrases.contains { text.contains($0) } }.map(\.0)
            ?? (speaksOfContent(text) ? .contentFilter : nil)
            ?? (modelGone.contains { text.contains($0) } || isUnknownModel(text) ? .modelGone : nil)
            ?? (overloaded.contains { text.contains($0) } ? .overloaded : nil)
    }

    /// Words of xAI, OpenRouter, Azure, OpenAI, Google and of the firewalls before them.
    static func speaksOfContent(_ text: RefusedText) -> Bool {
        // An account that broke a rule is refused by its key, whatever it asks for now.
        let isOfAccount =
            text.contains("account")
            && ["suspended", "deactivated", "disabled", "terminated", "banned"].contains { text.contains($0) }
        return !isOfAccount && content.contains { text.contains($0) }
    }

    /// One request is larger than all that a minute, or a day, allows: no wait lets it through.
    static func isOverItsLimit(_ text: RefusedText) -> Bool {
        if ["request too large", "required for long context", "single request exceed"].contains(where: text.contains) {
            return true
        }
        // OpenAI and Groq: "Limit 30000, Used 0, Requested 342389".
        guard let limit = text.number(behind: "limit"), let wanted = text.number(behind: "requested") else {
            return false
        }
        return limit > 0 && wanted > limit
    }

    /// A limit of the day, the week or the month.
    static func isOfDays(_ text: RefusedText) -> Bool { longLimits.contains { text.contains($0) } }

    private static let order: [(RefusalKind, [String])] = [
        (.rateLimited, ["please wait before trying again", "throttlingexception", "rate exceeded"]),
        (.contextTooLong, contextTooLong), (.outOfCredit, outOfCredit),
    ]

    private static let contextTooLong = [
        // OpenAI, vLLM, DeepSeek, OpenRouter, Mistral
        "maximum context length", "context length exceeded", "context_length_exceeded", "reduce the length of the",
        "input tokens exceed the configured limit", "too large for model with", "string too long",
        "longer than the maximum model length", "max_tokens must be at least 1, got -", "exceeds maximum context",
        // Anthropic
        "prompt is too long", "exceed context limit", "request exceeds the maximum size", "long context beta",
        // Gemini
        "exceeds the maximum number of tokens", "maximum number of tokens allowed",
        // Bedrock
        "input is too long", "input too long",
        // SGLang
        "longer than the model's context length", "exceeds the maximum allowed length",
        // llama.cpp, Ollama, LM Studio
        "exceeds the available context size", "exceed_context_size_error", "exceeds the context", "exceed the context",
        "prompt too long", "greater than the context length", "context window",
        // xAI, DashScope, Moonshot, Zhipu, Baidu
        "maximum prompt length", "range of input length", "exceeded model token limit", "prompt exceeds max length",
        "prompt \u{8D85}\u{957F}", "prompt tokens too long", "the max input characters",
        // Cohere, Together, Text Generation Inference
        "too many tokens", "max_new_tokens must be <=", "max_new_tokens` must be <=", "token limit exceeded",
        "exceeds token limit",
        // Gateways and proxies
        "request entity too large", "payload too large", "content too large", "contextwindowexceeded",
    ]

    private static let outOfCredit = [
        "insufficient_quota", "insufficient balance", "insufficient credit", "insufficient fund", "insufficient quota",
        "balance is insufficient", "credit balance is too low", "balance is too low", "out of credit",
        "requires more credits", "purchase more credits", "used all available credits", "spending limit",
        "spending cap", "credits are depleted", "credits have been exhausted", "credit limit exceeded",
        "monthly included credits", "billing hard limit", "billing_hard_limit", "account is not active",
        "account in good standing", "account is in good standing", "specified api usage limits", "payment required",
        "api calls / month", "free allocated quota exceeded", "budget has been exceeded", "exceeded budget",
        // Chinese: the balance does not suffice; in arrears; please top up.
        "\u{4F59}\u{989D}\u{4E0D}\u{8DB3}", "\u{6B20}\u{8D39}", "\u{8BF7}\u{5145}\u{503C}",
    ]

    /// Also said by Google of limits of a minute: it counts where nothing says how long to wait.
    static let billing = ["check your plan and billing", "exceeded your current quota", "exceeded current quota"]

    private static let longLimits = [
        "per day", "perday", "per-day", "per_day", "daily limit", "daily quota", "daily request", "per week",
        "weekly limit",
        "per month", "permonth", "per_month", "monthly limit", "monthly quota", "monthly usage",
    ]

    private static let content = [
        "violates usage guidelines", "violates our usage", "usage policies", "usage policy", "content policy",
        "content policies", "content management policy", "content filter", "safety_check", "safety check",
        "safety system", "safety filter", "safety policy", "was flagged", "been flagged", "moderation",
        "prohibited content", "inappropriate content", "sensitive content", "harmful content", "content exists risk",
        "considered high risk", "blocked by content", "contentpolicyviolation", "guardrail",
        // Chinese: unsafe or sensitive.
        "\u{4E0D}\u{5B89}\u{5168}\u{6216}\u{654F}\u{611F}",
    ]

    private static let modelGone = [
        "model_not_found", "has been decommissioned", "model not exist", "model not found", "model does not exist",
        "model identifier is invalid", "no endpoints found for", "invalid model", "unknown model",
        "is not found for api version",
        "reached the end of its life", "model is not available",
        "\u{6A21}\u{578B}\u{4E0D}\u{5B58}\u{5728}",
    ]

    /// "The model `x` does not exist", "model 'x' not found", "The model x has been deprecated".
    private static func isUnknownModel(_ text: RefusedText) -> Bool {
        guard let model = text.index(behind: "model") else { return false }
        return [
            "does not exist", "not found", "has been deprecated", "is deprecated", "has been retired",
            "is no longer supported",
        ].contains { phrase in
            text.index(behind: phrase, from: model).map { $0 - model < 160 } ?? false
        }
    }

    private static let overloaded = [
        "overloaded", "over capacity", "at capacity", "high demand", "server is busy", "servers are busy",
        "no healthy upstream", "temporarily unavailable", "capacity exceeded", "engine is busy",
    ]
}

extension RefusedText {
    /// "Limit 30000", "Limit: 30,000": the number that stands behind a word; `nil` where none does, or one that nothing counts.
    func number(behind word: String) -> Int? {
        var start = 0
        while let place = index(behind: word, from: start) {
            start = place
            var at = place
            while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x3A { at += 1 }
            var (value, digits) = (0, 0)
            while at < bytes.count, digits <= 15 {
                let byte = bytes[at]
                if (0x30...0x39).contains(byte) {
                    value = value * 10 + Int(byte - 0x30)
                    digits += 1
                } else if byte != 0x2C || at + 1 >= bytes.count || !(0x30...0x39).contains(bytes[at + 1]) {
                    break
                }
                at += 1
            }
            if digits > 0, digits <= 15 { return value }
        }
        return nil
    }
}
