/// Those who serve models of their own.
extension ProviderFixture {
    /// docs.anthropic.com/en/api/openai-sdk and /en/api/errors.
    static let anthropic: ProviderFixture = {
        let chunk = ChunkText(id: "msg_01", model: "claude-sonnet-4-20250514")
        return ProviderFixture(
            "anthropic",
            [
                ProviderShape(
                    "plain",
                    [
                        .frame(chunk(ChunkText.role)), .frame(chunk(#"{"content":"Water "}"#)),
                        .frame(chunk(#"{"content":"boils."}"#)), .frame(chunk("{}", finish: "stop")),
                        .usage(chunk.usage()), .done,
                    ]),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "toolu_1", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                .refusal(
                    "overloaded", 529,
                    #"{"error":{"message":"Overloaded","type":"overloaded_error","param":null,"code":null}}"#),
            ])
    }()

    /// ai.google.dev/gemini-api/docs/openai; open-webui/computer issue 224; noho/dayu-agent issue 45.
    static let gemini: ProviderFixture = {
        let chunk = ChunkText(id: "gm1", model: "gemini-2.5-flash")
        let counts = #","usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":33}"#
        let signed = ChunkText.call(nil, id: "function-call-1", city: "Oslo").replacing(
            #""type":"function""#,
            with: #""type":"function","extra_content":{"google":{"thought_signature":"c2ln"}}"#)
        return ProviderFixture(
            "gemini",
            [
                .answer(
                    "plain", chunk(#"{"role":"assistant","content":"Water "}"#, top: counts),
                    chunk(#"{"role":"assistant","content":"boils."}"#, finish: "stop", top: counts)),
                .answer(
                    "tools", chunk(signed), chunk(ChunkText.call(nil, id: "function-call-2", city: "Rome")),
                    chunk(#"{"role":"assistant"}"#, finish: "stop", top: counts)),
                .refusal(
                    "rate", 429,
                    #"[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"39s"}]}}]"#
                ),
            ])
    }()

    /// docs.mistral.ai/capabilities/reasoning and /api.
    static let mistral: ProviderFixture = {
        let chunk = ChunkText(id: "ms1", model: "magistral-medium-latest")
        return ProviderFixture(
            "mistral",
            [
                .answer(
                    "plain", chunk(ChunkText.role), chunk(#"{"content":"Water "}"#),
                    chunk(#"{"content":"boils."}"#, finish: "stop", top: #","usage":\#(ChunkText.counts)"#)),
                .answer(
                    "reasoning",
                    chunk(#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Heat."}]}]}"#),
                    chunk(#"{"content":[{"type":"text","text":"Water "}]}"#), chunk(#"{"content":"boils."}"#),
                    chunk(#"{"content":""}"#, finish: "stop", top: #","usage":\#(ChunkText.counts)"#)),
                .answer("tools", chunk(ChunkText.call(0, id: "call00001", city: "Oslo"), finish: "tool_calls")),
                .refusal(
                    "invalid", 422,
                    #"{"object":"error","message":{"detail":[{"type":"missing","loc":["body","messages"],"msg":"Field required"}]},"type":"invalid_request_error","param":null,"code":null}"#
                ),
            ])
    }()

    /// api-docs.deepseek.com: guides/reasoning_model, quick_start/error_codes, quick_start/rate_limit (keep-alives).
    static let deepseek: ProviderFixture = {
        let chunk = ChunkText(id: "ds1", model: "deepseek-reasoner", more: #","system_fingerprint":"fp_3""#)
        let counts =
            #"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_cache_hit_tokens":2,"prompt_cache_miss_tokens":7}"#
        return ProviderFixture(
            "deepseek",
            [
                ProviderShape(
                    "plain",
                    [
                        .raw(": keep-alive\n\n"), .frame(chunk(ChunkText.role)),
                        .frame(chunk(#"{"content":"Water "}"#)), .frame(chunk(#"{"content":"boils."}"#)),
                        .frame(chunk(#"{"content":""}"#, finish: "stop", top: #","usage":\#(counts)"#)), .done,
                    ]),
                .answer(
                    "reasoning", chunk(#"{"role":"assistant","content":null,"reasoning_content":""}"#),
                    chunk(#"{"content":null,"reasoning_content":"Heat."}"#),
                    chunk(#"{"content":"Water ","reasoning_content":null}"#),
                    chunk(#"{"content":"boils.","reasoning_content":null}"#),
                    chunk(#"{"content":"","reasoning_content":null}"#, finish: "stop", top: #","usage":\#(counts)"#)),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "call_1", city: "Oslo")),
                    chunk(#"{"content":""}"#, finish: "tool_calls")),
                .answer(
                    "no-resources", chunk(#"{"content":"Water "}"#),
                    chunk(#"{"content":""}"#, finish: "insufficient_system_resource")),
                .refusal(
                    "balance", 402,
                    #"{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}"#
                ),
            ])
    }()

    /// docs.x.ai/docs/guides/reasoning and /docs/key-information/debugging.
    static let xai: ProviderFixture = {
        let chunk = ChunkText(id: "xa1", model: "grok-4", more: #","system_fingerprint":"fp_4""#)
        let counts =
            #"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":33,"completion_tokens_details":{"reasoning_tokens":20}}"#
        return ProviderFixture(
            "xai",
            [
                .answer(
                    "plain", chunk(ChunkText.role), chunk(#"{"content":"Water "}"#), chunk(#"{"content":"boils."}"#),
                    chunk("{}", finish: "stop"), chunk.usage(counts)),
                .answer(
                    "reasoning", chunk(#"{"role":"assistant","reasoning_content":"Heat."}"#),
                    chunk(#"{"content":"Water boils."}"#), chunk("{}", finish: "stop"), chunk.usage(counts)),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "call_1", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                .refusal(
                    "content", 403,
                    #"{"code":"The caller does not have permission","error":"Content violates usage guidelines"}"#),
            ])
    }()

    /// platform.moonshot.ai/docs/api/chat; earendil-works/pi issue 2017.
    static let moonshot: ProviderFixture = {
        let chunk = ChunkText(id: "cmpl-k1", model: "kimi-k2.5")
        let counts = #","usage":\#(ChunkText.counts)"#
        return ProviderFixture(
            "moonshot",
            [
                .answer(
                    "plain", chunk(ChunkText.role), chunk(#"{"content":"Water "}"#), chunk(#"{"content":"boils."}"#),
                    chunk("{}", finish: "stop", choice: counts)),
                .answer(
                    "reasoning", chunk(#"{"role":"assistant","content":"","reasoning_content":"Heat."}"#),
                    chunk(#"{"content":"Water boils."}"#), chunk("{}", finish: "stop", choice: counts)),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "get_weather:0", city: "Oslo")),
                    chunk("{}", finish: "tool_calls", choice: counts)),
                .refusal(
                    "overloaded", 429,
                    #"{"error":{"message":"The engine is currently overloaded.","type":"engine_overloaded_error"}}"#),
            ])
    }()

    /// docs.perplexity.ai/guides/streaming-responses.
    static let perplexity: ProviderFixture = {
        var chunk = ChunkText(id: "px1", model: "sonar")
        chunk.head = chunk.head.replacing("chat.completion.chunk", with: "chat.completion")
        func piece(_ text: String, whole: String, finish: String? = nil) -> String {
            chunk(
                #"{"role":"assistant","content":"\#(text)"}"#, finish: finish,
                choice: #","message":{"role":"assistant","content":"\#(whole)"}"#,
                top:
                    #","usage":\#(ChunkText.counts),"citations":["https://example.com/a"],"search_results":[{"title":"A","url":"https://example.com/a"}]"#
            )
        }
        return ProviderFixture(
            "perplexity", lineEnd: .crlf,
            [
                .answer(
                    "plain", piece("Water ", whole: "Water "), piece("boils.", whole: "Water boils."),
                    piece("", whole: "Water boils.", finish: "stop")),
                .refusal("invalid", 400, #"{"error":{"message":"Invalid model.","type":"invalid_model","code":400}}"#),
            ])
    }()
}
