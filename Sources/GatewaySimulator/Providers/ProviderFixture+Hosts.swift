/// Those who serve the models of others.
extension ProviderFixture {
    /// console.groq.com/docs/text-chat, /docs/reasoning and /docs/errors.
    static let groq: ProviderFixture = {
        let chunk = ChunkText(id: "chatcmpl-G1", model: "openai/gpt-oss-20b", more: #","system_fingerprint":"fp_5""#)
        let last = #","x_groq":{"id":"req_1","usage":\#(ChunkText.counts)}"#
        return ProviderFixture(
            "groq",
            [
                .answer(
                    "plain", chunk(ChunkText.role, top: #","x_groq":{"id":"req_1"}"#), chunk(#"{"content":"Water "}"#),
                    chunk(#"{"content":"boils."}"#), chunk("{}", finish: "stop", top: last)),
                .answer(
                    "reasoning", chunk(ChunkText.role), chunk(#"{"reasoning":"Heat.","channel":"analysis"}"#),
                    chunk(#"{"content":"Water boils."}"#), chunk("{}", finish: "stop", top: last)),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "fc_1", city: "Oslo")),
                    chunk("{}", finish: "tool_calls", top: last)),
                .refusal(
                    "too-large", 413,
                    #"{"error":{"message":"Request too large for model.","type":"tokens","code":"rate_limit_exceeded"}}"#
                ),
            ])
    }()

    /// openrouter.ai/docs/api-reference/streaming, /errors and /docs/use-cases/reasoning-tokens.
    static let openrouter: ProviderFixture = {
        let chunk = ChunkText(id: "gen-1", model: "anthropic/claude-sonnet-4", more: #","provider":"Anthropic""#)
        let processing = ProviderShape.Step.raw(": OPENROUTER PROCESSING\n\n")
        let native = #","native_finish_reason":null,"logprobs":null"#
        let end = chunk(
            #"{"role":"assistant","content":""}"#, finish: "stop", choice: #","native_finish_reason":"end_turn""#)
        func detail(_ more: String) -> String {
            #"[{"type":"reasoning.text","format":"anthropic-claude-v1","index":0,\#(more)}]"#
        }
        return ProviderFixture(
            "openrouter",
            [
                ProviderShape(
                    "plain",
                    [
                        processing, processing,
                        .frame(chunk(#"{"role":"assistant","content":"Water "}"#, choice: native)), processing,
                        .frame(chunk(#"{"role":"assistant","content":"boils."}"#, choice: native)), .frame(end),
                        .frame(chunk(ChunkText.role, top: #","usage":\#(ChunkText.counts)"#)), .done,
                    ]),
                .answer(
                    "reasoning",
                    chunk(#"{"content":"","reasoning":"He","reasoning_details":\#(detail(#""text":"He""#))}"#),
                    chunk(#"{"content":"","reasoning":"at.","reasoning_details":\#(detail(#""text":"at.""#))}"#),
                    chunk(#"{"content":"","reasoning":null,"reasoning_details":\#(detail(#""signature":"c2ln""#))}"#),
                    chunk(#"{"content":"Water boils."}"#), end),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "toolu_1", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                .answer(
                    "error-in-mid-answer", chunk(#"{"content":"Water "}"#),
                    chunk(
                        #"{"content":""}"#, finish: "error",
                        top: #","error":{"code":502,"message":"Provider disconnected"}"#)),
                .refusal("credit", 402, #"{"error":{"message":"Insufficient credits.","code":402}}"#),
            ])
    }()

    /// docs.together.ai/reference/chat-completions-1 and /docs/error-codes.
    static let together: ProviderFixture = {
        let chunk = ChunkText(id: "tg1", model: "meta-llama/Llama-3.3-70B-Instruct-Turbo")
        let more = #","logprobs":null,"text":"","seed":7"#
        return ProviderFixture(
            "together",
            [
                .answer(
                    "plain", chunk(#"{"role":"assistant","content":"Water ","token_id":1}"#, choice: more),
                    chunk(#"{"role":"assistant","content":"boils.","token_id":2}"#, choice: more),
                    chunk(
                        #"{"role":"assistant","content":"","token_id":128009}"#, finish: "eos", choice: more,
                        top: #","usage":\#(ChunkText.counts)"#)),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "call_1", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                .refusal(
                    "overloaded", 503,
                    #"{"error":{"message":"The server is overloaded.","type":"server_error","param":null,"code":"service_unavailable"}}"#
                ),
            ])
    }()

    /// docs.fireworks.ai/api-reference/post-chatcompletions.
    static let fireworks: ProviderFixture = {
        let chunk = ChunkText(id: "fw1", model: "accounts/fireworks/models/deepseek-v3")
        return ProviderFixture(
            "fireworks",
            [
                .answer(
                    "plain", chunk(#"{"role":"assistant"}"#, top: #","usage":null"#),
                    chunk(#"{"content":"Water "}"#, top: #","usage":null"#), chunk(#"{"content":"boils."}"#),
                    chunk("{}", finish: "stop", top: #","usage":\#(ChunkText.counts)"#)),
                .answer(
                    "reasoning", chunk(#"{"role":"assistant"}"#), chunk(#"{"reasoning_content":"Heat."}"#),
                    chunk(#"{"content":"Water boils."}"#), chunk("{}", finish: "stop")),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "call_1", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                .refusal(
                    "missing", 404,
                    #"{"error":{"object":"error","type":"invalid_request_error","code":"NOT_FOUND","message":"Model not found"}}"#
                ),
            ])
    }()

    /// docs.litellm.ai/docs/completion/stream and /docs/exception_mapping.
    static let litellm: ProviderFixture = {
        let chunk = ChunkText(id: "chatcmpl-L1", model: "gemini-2.5-flash")
        return ProviderFixture(
            "litellm",
            [
                ProviderShape(
                    "plain",
                    [
                        .frame(chunk(#"{"content":"Water ","role":"assistant"}"#)),
                        .frame(chunk(#"{"content":"boils."}"#)), .frame(chunk("{}", finish: "stop")),
                        .usage(chunk.usage()), .done,
                    ]),
                .answer(
                    "reasoning",
                    chunk(
                        #"{"reasoning_content":"Heat.","thinking_blocks":[{"type":"thinking","thinking":"Heat.","signature":null}],"provider_specific_fields":{}}"#
                    ), chunk(#"{"content":"Water boils."}"#), chunk("{}", finish: "stop")),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "call_1", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                .refusal(
                    "rate", 429,
                    #"{"error":{"message":"RateLimitError","type":"throttling_error","param":null,"code":"429"}}"#),
            ])
    }()
}
