extension ProviderFixture {
    /// platform.openai.com/docs/api-reference/chat-streaming and /docs/guides/error-codes.
    static let openai: ProviderFixture = {
        let chunk = ChunkText(
            id: "chatcmpl-B1", model: "gpt-4.1-2025-04-14",
            more: #","service_tier":"default","system_fingerprint":"fp_1""#)
        return ProviderFixture(
            "openai",
            [
                ProviderShape(
                    "plain",
                    [
                        .frame(
                            chunk(
                                #"{"role":"assistant","content":"","refusal":null}"#, choice: #","logprobs":null"#,
                                top: #","usage":null,"obfuscation":"Kx3""#)),
                        .frame(chunk(#"{"content":"Water "}"#, top: #","usage":null,"obfuscation":"q""#)),
                        .frame(chunk(#"{"content":"boils."}"#, top: #","usage":null,"obfuscation":"Zt""#)),
                        .frame(chunk("{}", finish: "stop", top: #","usage":null"#)),
                        .usage(
                            chunk.usage(
                                #"{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":0}}"#
                            )),
                        .done,
                    ]),
                .answer(
                    "tools",
                    chunk(
                        #"{"role":"assistant","content":null,"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_weather","arguments":""}}]}"#
                    ), chunk(#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}"#),
                    chunk(#"{"tool_calls":[{"index":0,"function":{"arguments":"\"Oslo\"}"}}]}"#),
                    chunk("{}", finish: "tool_calls")),
                .refusal(
                    "quota", 429,
                    #"{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#
                ),
                .refusal(
                    "rate", 429, retryAfter: "1500ms",
                    #"{"error":{"message":"Rate limit reached.","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#
                ),
            ])
    }()

    /// learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter; langchain-ai/langchain issue 18977;
    /// microsoft/autogen issue 6465.
    static let azure: ProviderFixture = {
        let filter = #"{"hate":{"filtered":false,"severity":"safe"}}"#
        let chunk = ChunkText(id: "chatcmpl-A1", model: "gpt-4o-2024-11-20", more: #","system_fingerprint":"fp_2""#)
        let safe = #","logprobs":null,"content_filter_results":\#(filter)"#
        let first =
            #"{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":\#(filter)}]}"#
        return ProviderFixture(
            "azure",
            [
                ProviderShape(
                    "plain",
                    [
                        .frame(first), .frame(chunk(ChunkText.role, choice: #","content_filter_results":{}"#)),
                        .frame(chunk(#"{"content":"Water "}"#, choice: safe)),
                        .frame(chunk(#"{"content":"boils."}"#, choice: safe)),
                        .frame(chunk("{}", finish: "stop", choice: #","content_filter_results":{}"#)),
                        .usage(chunk.usage()), .done,
                    ]),
                // The asynchronous filter tells its results in chunks without id and delta.
                .answer(
                    "asynchronous-filter", first, chunk(#"{"content":"Water "}"#), chunk(#"{"content":"boils."}"#),
                    #"{"id":"","object":"","created":0,"model":"","choices":[{"index":0,"finish_reason":null,"content_filter_results":\#(filter),"content_filter_offsets":{"check_offset":44,"start_offset":44,"end_offset":56}}],"usage":null}"#,
                    chunk("{}", finish: "stop")),
                .answer(
                    "tools", first, chunk(ChunkText.call(0, id: "call_1", city: "Oslo")),
                    chunk("{}", finish: "tool_calls")),
                .refusal(
                    "filter", 400,
                    #"{"error":{"message":"The response was filtered.","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#
                ),
            ])
    }()
}
