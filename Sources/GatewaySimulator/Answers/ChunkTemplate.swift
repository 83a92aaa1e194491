/// The bytes around a delta in the chunks of one answer; made once, copied for every token.
struct ChunkTemplate: Sendable {
    /// Up to and including `"delta":`, for each choice.
    private let heads: [[UInt8]]
    /// Up to and including `"delta":{"content":"`, for each choice.
    let contentHeads: [[UInt8]]
    /// From the quote that ends the content.
    let contentTail: [UInt8]
    private let opening: [UInt8]
    private let usageKey: [UInt8]
    private let none = Array("null".utf8)

    init(id: String, model: String, created: Int, choiceCount: Int, includesUsage: Bool) {
        let opening =
            Array("{\"id\":".utf8) + JSONEscaping.quoted(id)
            + Array(",\"object\":\"chat.completion.chunk\",\"created\":\(created),\"model\":".utf8)
            + JSONEscaping.quoted(model) + Array(",\"system_fingerprint\":\"fp_simulated\",\"choices\":[".utf8)
        let usageKey = Array((includesUsage ? ",\"usage\":null" : "").utf8)
        let heads = (0..<choiceCount).map { opening + Array("{\"index\":\($0),\"delta\":".utf8) }
        self.opening = opening
        self.usageKey = usageKey
        self.heads = heads
        self.contentHeads = heads.map { $0 + Array("{\"content\":\"".utf8) }
        self.contentTail = Array("\"},\"logprobs\":null,\"finish_reason\":null}]".utf8) + usageKey + Array("}".utf8)
    }

    /// A chunk with any delta; `delta` is the JSON of the whole object.
    func chunk(choice: Int, delta: [UInt8], finishReason: String? = nil) -> [UInt8] {
        let reason = finishReason.map(JSONEscaping.quoted) ?? none
        return heads[choice] + delta + Array(",\"logprobs\":null,\"finish_reason\":".utf8) + reason + Array("}]".utf8)
            + usageKey + Array("}".utf8)
    }

    func role(choice: Int, hasContent: Bool) -> [UInt8] {
        let content = hasContent ? "\"\"" : "null"
        return chunk(
            choice: choice, delta: Array("{\"role\":\"assistant\",\"content\":\(content),\"refusal\":null}".utf8))
    }

    /// The last chunk of OpenAI's `include_usage`: no choices, the counts.
    func usage(promptTokens: Int, completionTokens: Int) -> [UInt8] {
        opening + Array("],\"usage\":".utf8)
            + Self.usageObject(promptTokens: promptTokens, completionTokens: completionTokens) + Array("}".utf8)
    }

    static func usageObject(promptTokens: Int, completionTokens: Int) -> [UInt8] {
        Array(
            """
            {"prompt_tokens":\(promptTokens),"completion_tokens":\(completionTokens),\
            "total_tokens":\(promptTokens + completionTokens)}
            """.utf8)
    }
}
