extension ProviderFixture {
    /// Habits that many gateways have, and no provider alone: seen with bridges such as one-api and new-api, with older
    /// versions of servers, and with proxies that rewrite heads.
    static let field: ProviderFixture = {
        let chunk = ChunkText(id: "c1", model: "m")
        let end = chunk("{}", finish: "stop")
        let pieces = ["one ", "two ", "three"]
        func text(_ text: String) -> String { #"{"content":"\#(text)"}"# }
        let whole =
            #"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"one two three"},"finish_reason":"stop"}],"usage":\#(ChunkText.counts)}"#
        let plain = pieces.map { ProviderShape.Step.frame(chunk(text($0))) } + [.frame(end), .done]
        func gaps(_ finish: String) -> [ProviderShape.Step] {
            pieces.flatMap { [.frame(chunk(text($0), finish: finish)), .wait(milliseconds: 700)] }
        }
        let counted = pieces.enumerated().map { place, piece in
            chunk(
                text(piece), finish: "stop",
                top: #","usage":{"prompt_tokens":9,"completion_tokens":\#(place + 2),"total_tokens":\#(place + 11)}"#)
        }
        return ProviderFixture(
            "field",
            [
                ProviderShape("plain", plain),
                ProviderShape("finish-in-each-chunk", gaps("stop") + [.done]),
                ProviderShape("empty-finish-in-each-chunk", gaps("") + [.frame(end), .done]),
                ProviderShape(
                    "finish-withdrawn",
                    [
                        .frame(chunk(text("one "), finish: "stop")), .frame(chunk(text("two "))),
                        .frame(chunk(text("three"))), .frame(chunk("{}", finish: "length")), .done,
                    ]),
                ProviderShape("usage-in-each-chunk", counted.map(ProviderShape.Step.frame) + [.done]),
                ProviderShape(
                    "usage-late",
                    plain.dropLast() + [
                        .wait(milliseconds: 2000), .frame(chunk.usage()), .done,
                    ]),
                ProviderShape(
                    "long-reasoning",
                    Array(repeating: .frame(chunk(#"{"reasoning_content":"ab "}"#)), count: 18_000) + plain),
                ProviderShape("whole-in-one-event", [.frame(whole), .done]),
                ProviderShape("document", contentTypes: ["application/json"], [.raw(whole)]),
                ProviderShape("text-plain", contentTypes: ["text/plain; charset=utf-8"], plain),
                ProviderShape("no-content-type", contentTypes: [], plain),
                ProviderShape("two-content-types", contentTypes: ["text/event-stream", "text/plain"], plain),
                ProviderShape(
                    "single-newlines",
                    pieces.map { .raw("data: \(chunk(text($0)))\n") } + [
                        .raw("data: \(end)\n"), .raw("data: [DONE]\n"),
                    ]),
                ProviderShape(
                    "error-line",
                    [
                        .frame(chunk(text("one "))),
                        .raw(#"error: {"code":500,"message":"boom","type":"server_error"}"# + "\n\n"),
                    ]),
                .answer(
                    "pings-as-data", chunk(text("one ")), #"{"type":"ping"}"#, chunk(text("two ")), "{}", "null",
                    chunk(text("three")), end),
                ProviderShape(
                    "new-ids",
                    pieces.enumerated().map { .frame(ChunkText(id: "a\($0)", model: "m")(text($1))) } + [
                        .frame(ChunkText(id: "a9", model: "m")("{}", finish: "stop")), .done,
                    ]),
                ProviderShape(
                    "index-counts-up",
                    pieces.enumerated().map {
                        .frame(chunk(text($1)).replacing(#"{"index":0,"#, with: #"{"index":\#($0),"#))
                    } + [.frame(end.replacing(#"{"index":0,"#, with: #"{"index":3,"#)), .done]),
                ProviderShape(
                    "message-instead-of-delta",
                    plain.map { step in
                        guard case .frame(let text) = step else { return step }
                        return .frame(text.replacing(#""delta":"#, with: #""message":"#))
                    }),
                .answer(
                    "content-as-parts", chunk(#"{"content":[{"type":"text","text":"one "}]}"#),
                    chunk(#"{"content":[{"type":"text","text":"two "},{"type":"text","text":"three"}]}"#), end),
                .answer(
                    "one-index-for-two-calls", chunk(ChunkText.call(0, id: "a", city: "Oslo")),
                    chunk(ChunkText.call(0, id: "b", city: "Rome")), chunk("{}", finish: "tool_calls")),
                .answer("interrupted", chunk(text("one ")), chunk("{}", finish: "network_error")),
                .answer(
                    "finish-then-error", chunk(text("one "), finish: ""),
                    #"{"error":{"message":"boom","type":"server_error"}}"#),
                ProviderShape(
                    "heartbeats",
                    Array(
                        repeating: [
                            .frame(#"{"id":"c1","object":"chat.completion.chunk","choices":[]}"#),
                            .wait(milliseconds: 200),
                        ], count: 1_000
                    ).flatMap { $0 }),
            ])
    }()
}
