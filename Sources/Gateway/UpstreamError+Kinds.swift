import ChatModel

/// Kinds of refusal that another model may not share. No standard names them: these are the words of OpenAI, Azure,
/// Anthropic, vLLM, llama.cpp, Groq and others.
extension UpstreamError {
    enum Kind: Equatable {
        /// The messages are longer than the model takes.
        case contextTooLong
        /// What was asked, or would be said, is filtered.
        case contentFilter
    }

    /// - Parameter message: looked at where type and code do not say it; it is not kept.
    static func kind(type: String?, code: String?, message: String?) -> Kind? {
        for word in [code, type] {
            switch word {
            case "context_length_exceeded", "exceed_context_size_error", "context_window_exceeded",
                "string_above_max_length",
                "request_too_large":
                return .contextTooLong
            case "content_filter", "content_filtered", "content_policy_violation", "ResponsibleAIPolicyViolation",
                "content_blocked", "moderation_blocked", "moderation_error", "data_inspection_failed",
                "sensitive_words_detected", "PROHIBITED_CONTENT", "SAFETY", "cyber_policy_violation":
                return .contentFilter
            default: break
            }
        }
        guard let message = message?.prefix(512).lowercased() else { return nil }
        let phrases = [
            "maximum context length", "context length exceeded", "prompt is too long", "exceeds the context",
            "exceed the context", "context window", "exceeds the available context size",
        ]
        if phrases.contains(where: { message.contains($0) }) { return .contextTooLong }
        return speaksOfContent(message) ? .contentFilter : nil
    }

    /// Sentences of xAI, OpenRouter, Azure, OpenAI, Google and of the firewalls before them.
    ///
    /// - Parameter message: in lower case.
    static func speaksOfContent(_ message: some StringProtocol) -> Bool {
        let phrases = [
            "violates usage guidelines", "violates our usage", "usage policies", "usage policy", "content policy",
            "content policies", "content management policy", "content filter", "safety_check", "safety check",
            "safety system", "safety filter", "safety policy", "was flagged", "been flagged", "moderation",
            "prohibited content", "inappropriate content", "sensitive content", "harmful content",
        ]
        // An account that broke a rule is refused by its key, whatever it asks for now.
        let isOfAccount =
            message.contains("account")
            && ["suspended", "deactivated", "disabled", "terminated", "banned"].contains { message.contains($0) }
        return !isOfAccount && phrases.contains { message.contains($0) }
    }
}
