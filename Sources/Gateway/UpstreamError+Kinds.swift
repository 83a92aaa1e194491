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
            case "content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation", "content_blocked":
                return .contentFilter
            default: break
            }
        }
        guard let message = message?.prefix(512).lowercased() else { return nil }
        let phrases = [
            "maximum context length", "context length exceeded", "prompt is too long", "exceeds the context",
            "exceed the context", "context window", "exceeds the available context size",
        ]
        return phrases.contains { message.contains($0) } ? .contextTooLong : nil
    }
}
