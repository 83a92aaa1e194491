/// Why a choice ended, in OpenAI's words, whatever words the gateway used.
public enum FinishReason: Sendable, Equatable {
    /// The choice is whole; the standard word for it.
    case complete(StaticWord)
    /// It was broken off: what came is not the answer.
    case interrupted

    /// OpenAI's five.
    public enum StaticWord: String, Sendable {
        case stop, length
        case toolCalls = "tool_calls"
        case functionCall = "function_call"
        case contentFilter = "content_filter"
    }

    /// - Parameter raw: contents of a JSON string.
    public init(raw: UnsafeRawBufferPointer) {
        // The five stand for nearly all.
        let word = JSONText.string(UnsafeRawBufferPointer(rebasing: raw.prefix(Self.longest))).lowercased()
        if let standard = StaticWord(rawValue: word) {
            self = .complete(standard)
        } else if let standard = Self.synonyms[word] {
            self = .complete(standard)
        } else if Self.signsOfHarm.contains(where: { word.contains($0) }) {
            self = .interrupted
        } else {
            self = .complete(.stop)
        }
    }

    private static let longest = 64

    /// Words of Anthropic, Gemini, Mistral, Cohere, Together, TGI, vLLM, SGLang and others.
    private static let synonyms: [String: StaticWord] = [
        "eos": .stop, "eos_token": .stop, "end_turn": .stop, "stop_sequence": .stop, "end": .stop, "completed": .stop,
        "complete": .stop, "done": .stop, "finish": .stop, "finished": .stop, "pause_turn": .stop,
        "max_tokens": .length, "max_output_tokens": .length, "model_length": .length, "max_length": .length,
        "length_limit": .length, "max_new_tokens": .length, "token_limit": .length,
        "model_context_window_exceeded": .length,
        "tool_use": .toolCalls, "tool_call": .toolCalls, "tools": .toolCalls, "function": .functionCall,
        "safety": .contentFilter, "recitation": .contentFilter, "blocklist": .contentFilter,
        "prohibited_content": .contentFilter, "spii": .contentFilter, "image_safety": .contentFilter,
        "content_filtered": .contentFilter, "refusal": .contentFilter, "sensitive": .contentFilter,
        "guardrail_intervened": .contentFilter, "error_toxic": .contentFilter,
    ]

    /// Parts of words that no harmless end has.
    private static let signsOfHarm = [
        "error", "abort", "fail", "interrupt", "cancel", "network", "insufficient", "unavailable", "timeout",
        "timed_out", "overload", "crash", "disconnect", "exception", "malformed", "incomplete", "kill", "evict",
        "preempt", "shutdown", "unexpected", "exhaust",
    ]
}

extension ScannedChunk {
    /// The word with which a choice was broken off, fit to be shown; `nil`: none was.
    public func interruption(in message: UnsafeRawBufferPointer) -> String? {
        for part in parts where part.kind == .finish {
            let raw = message[part.value]
            guard FinishReason(raw: raw) == .interrupted else { continue }
            return String(
                JSONText.string(UnsafeRawBufferPointer(rebasing: raw.prefix(64))).unicodeScalars.prefix(40).map {
                    ($0.value >= 0x30 && $0.value < 0x7F) || $0 == "-" ? Character($0) : "?"
                })
        }
        return nil
    }
}
