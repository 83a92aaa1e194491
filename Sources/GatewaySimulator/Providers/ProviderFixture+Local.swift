/// Programs that one runs oneself.
extension ProviderFixture {
    /// docs.ollama.com/api/openai-compatibility; the source's openai/openai.go.
    static let ollama: ProviderFixture = {
        let chunk = ChunkText(id: "chatcmpl-7", model: "qwen3:8b", more: #","system_fingerprint":"fp_ollama""#)
        return ProviderFixture(
            "ollama",
            [
                ProviderShape(
                    "plain", contentTypes: ["text/event-stream"],
                    [
                        .frame(chunk(#"{"role":"assistant","content":"Water "}"#)),
                        .frame(chunk(#"{"role":"assistant","content":"boils."}"#)),
                        .frame(chunk(#"{"role":"assistant","content":""}"#, finish: "stop")),
                        .usage(chunk.usage()), .done,
                    ]),
                .answer(
                    "reasoning", chunk(#"{"role":"assistant","content":"","reasoning":"Heat."}"#),
                    chunk(#"{"role":"assistant","content":"Water boils."}"#),
                    chunk(#"{"role":"assistant","content":""}"#, finish: "stop")),
                // Each call has the index 0.
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "call_1", city: "Oslo")),
                    chunk(ChunkText.call(0, id: "call_2", city: "Rome")),
                    chunk(#"{"role":"assistant","content":""}"#, finish: "tool_calls")),
                .refusal(
                    "missing", 404,
                    #"{"error":{"message":"model \"x\" not found","type":"not_found_error","param":null,"code":null}}"#),
            ])
    }()

    /// docs.vllm.ai/en/latest/serving/openai_compatible_server and /features/reasoning_outputs.
    static let vllm: ProviderFixture = {
        let chunk = ChunkText(id: "chatcmpl-v1", model: "Qwen/Qwen3-8B")
        let more = #","logprobs":null,"stop_reason":null"#
        return ProviderFixture(
            "vllm",
            [
                ProviderShape(
                    "plain",
                    [
                        .frame(chunk(ChunkText.role, choice: #","logprobs":null"#, top: #","prompt_token_ids":null"#)),
                        .frame(chunk(#"{"content":"Water "}"#, choice: #","logprobs":null,"token_ids":null"#)),
                        .frame(chunk(#"{"content":"boils."}"#, finish: "stop", choice: more)), .usage(chunk.usage()),
                        .done,
                    ]),
                .answer(
                    "reasoning", chunk(ChunkText.role), chunk(#"{"reasoning_content":"Heat."}"#),
                    chunk(#"{"content":"Water boils."}"#), chunk(#"{"content":""}"#, finish: "stop", choice: more)),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "chatcmpl-tool-1", city: "Oslo")),
                    chunk(#"{"content":""}"#, finish: "tool_calls", choice: more)),
                .answer(
                    "error-in-mid-answer", chunk(#"{"content":"Water "}"#),
                    #"{"error":{"message":"EngineCore encountered an issue.","type":"InternalServerError","param":null,"code":500}}"#
                ),
                .refusal(
                    "too-long", 400,
                    #"{"error":{"message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}}"#
                ),
            ])
    }()

    /// docs.sglang.ai/basic_usage/openai_api_completions; the source's serving_chat.py.
    static let sglang: ProviderFixture = {
        let chunk = ChunkText(id: "5f1c", model: "default")
        let more = #","logprobs":null,"matched_stop":null"#
        return ProviderFixture(
            "sglang",
            [
                ProviderShape(
                    "plain",
                    [
                        .frame(
                            chunk(
                                #"{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null}"#,
                                choice: more, top: #","usage":null"#)),
                        .frame(chunk(#"{"role":null,"content":"Water ","reasoning_content":null,"tool_calls":null}"#)),
                        .frame(chunk(#"{"role":null,"content":"boils.","reasoning_content":null,"tool_calls":null}"#)),
                        .frame(
                            chunk(
                                #"{"role":null,"content":null,"reasoning_content":null,"tool_calls":null}"#,
                                finish: "stop", choice: #","matched_stop":151645"#)),
                        .usage(chunk.usage()), .done,
                    ]),
                .answer(
                    "reasoning", chunk(ChunkText.role), chunk(#"{"content":null,"reasoning_content":"Heat."}"#),
                    chunk(#"{"content":"Water boils."}"#), chunk(#"{"content":null}"#, finish: "stop")),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "call_1", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                .answer(
                    "aborted", chunk(#"{"content":"Water "}"#),
                    chunk(#"{"content":null}"#, finish: "abort")),
                .refusal(
                    "invalid", 400,
                    #"{"object":"error","message":"The input is too long.","type":"BadRequestError","param":null,"code":400}"#
                ),
            ])
    }()

    /// github.com/ggml-org/llama.cpp, tools/server/README.md; errors in mid-answer as its server of 2025 sent them.
    static let llamacpp: ProviderFixture = {
        func chunk(_ delta: String, finish: String? = nil, top: String = "") -> String {
            let reason = finish.map { "\"\($0)\"" } ?? "null"
            return
                #"{"choices":[{"finish_reason":\#(reason),"index":0,"delta":\#(delta)}],"created":1760000000,"id":"chatcmpl-c1","model":"smollm2","system_fingerprint":"b6000","object":"chat.completion.chunk"\#(top)}"#
        }
        let timings = #","timings":{"prompt_n":9,"prompt_ms":20.5,"predicted_n":4,"predicted_ms":31.2}"#
        let usage =
            #"{"choices":[],"created":1760000000,"id":"chatcmpl-c1","model":"smollm2","object":"chat.completion.chunk","usage":\#(ChunkText.counts)\#(timings)}"#
        let head = #"{"role":"assistant","content":null}"#
        return ProviderFixture(
            "llamacpp",
            [
                ProviderShape(
                    "plain", contentTypes: ["text/event-stream"],
                    [
                        .frame(chunk(head)), .frame(chunk(#"{"content":"Water "}"#)),
                        .frame(chunk(#"{"content":"boils."}"#)), .frame(chunk("{}", finish: "stop", top: timings)),
                        .usage(usage), .done,
                    ]),
                .answer(
                    "reasoning", chunk(head), chunk(#"{"reasoning_content":"Heat."}"#),
                    chunk(#"{"content":"Water boils."}"#), chunk("{}", finish: "stop")),
                .answer("tools", chunk(ChunkText.call(0, id: "c1", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                ProviderShape(
                    "error-line",
                    [
                        .frame(chunk(head)), .frame(chunk(#"{"content":"Water "}"#)),
                        .raw(#"error: {"code":500,"message":"context shift is off","type":"server_error"}"# + "\n\n"),
                    ]),
                .refusal(
                    "loading", 503, #"{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}"#),
            ])
    }()

    /// lmstudio.ai/docs/app/api/endpoints/openai.
    static let lmstudio: ProviderFixture = {
        let chunk = ChunkText(id: "chatcmpl-s1", model: "qwen3-8b", more: #","system_fingerprint":"qwen3-8b""#)
        return ProviderFixture(
            "lmstudio",
            [
                ProviderShape(
                    "plain", contentTypes: ["text/event-stream"],
                    [
                        .frame(chunk(#"{"role":"assistant","content":"Water "}"#, choice: #","logprobs":null"#)),
                        .frame(chunk(#"{"content":"boils."}"#)), .frame(chunk("{}", finish: "stop")),
                        .usage(chunk.usage()), .done,
                    ]),
                .answer(
                    "reasoning", chunk(#"{"role":"assistant","reasoning_content":"Heat."}"#),
                    chunk(#"{"content":"Water boils."}"#), chunk("{}", finish: "stop")),
                .answer(
                    "tools", chunk(ChunkText.call(0, id: "365174485", city: "Oslo")), chunk("{}", finish: "tool_calls")),
                .refusal(
                    "not-loaded", 404,
                    #"{"error":{"message":"No models loaded.","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#
                ),
            ])
    }()
}
