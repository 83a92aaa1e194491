import ChatModel
import Gateway
import GatewaySimulator
import Testing

/// Every shape of every provider, over both transports, through the client and the log of an answer.
@Suite struct ProviderTests {
    /// What an answer must become. The text is that of all fixtures unless something else is said.
    struct Expected: Sendable {
        var text = "Water boils."
        var reasoning = ""
        var calls: [String] = []
        var finish = "stop"
        /// `total_tokens`.
        var total: Int?
        var outcome = "complete"
        var isEventStreamOnly = false
    }

    private static let oslo = #"get_weather({"city":"Oslo"})"#
    private static let rome = #"get_weather({"city":"Rome"})"#

    private static func plain(_ total: Int? = 13) -> Expected { Expected(total: total) }
    private static func reasoning(_ total: Int? = nil) -> Expected { Expected(reasoning: "Heat.", total: total) }
    private static func tools(_ calls: String..., finish: String = "tool_calls", total: Int? = nil) -> Expected {
        Expected(text: "", calls: calls, finish: finish, total: total)
    }
    /// A status tells most of these, and a message over a WebSocket has none.
    private static func refused(_ code: String) -> Expected {
        Expected(text: "", finish: "", outcome: code, isEventStreamOnly: true)
    }
    private static func broken(_ code: String, text: String = "Water ", isEventStreamOnly: Bool = false) -> Expected {
        Expected(text: text, finish: "", outcome: code, isEventStreamOnly: isEventStreamOnly)
    }
    private static func field(
        finish: String = "stop", reasoning: String = "", total: Int? = nil, isEventStreamOnly: Bool = false
    ) -> Expected {
        Expected(
            text: "one two three", reasoning: reasoning, finish: finish, total: total,
            isEventStreamOnly: isEventStreamOnly)
    }

    static let expected: [String: Expected] = [
        "openai:plain": plain(), "openai:tools": tools(oslo),
        "openai:quota": refused("gateway_quota_exhausted"), "openai:rate": refused("gateway_rate_limited"),
        "azure:plain": plain(), "azure:asynchronous-filter": plain(nil), "azure:tools": tools(oslo),
        "azure:filter": refused("gateway_content_filter"),
        "anthropic:plain": plain(), "anthropic:tools": tools(oslo),
        "anthropic:overloaded": refused("gateway_unavailable"),
        "gemini:plain": plain(33), "gemini:tools": tools(oslo, rome, finish: "stop", total: 33),
        "gemini:rate": refused("gateway_rate_limited"),
        "mistral:plain": plain(), "mistral:reasoning": reasoning(13), "mistral:tools": tools(oslo),
        "mistral:invalid": refused("gateway_bad_request"),
        "deepseek:plain": plain(), "deepseek:reasoning": reasoning(13), "deepseek:tools": tools(oslo),
        "deepseek:no-resources": broken("gateway_interrupted"),
        "deepseek:balance": refused("gateway_quota_exhausted"),
        "xai:plain": plain(33), "xai:reasoning": reasoning(33), "xai:tools": tools(oslo),
        "xai:content": refused("gateway_content_filter"),
        "groq:plain": plain(), "groq:reasoning": reasoning(13), "groq:tools": tools(oslo, total: 13),
        "groq:too-large": refused("gateway_context_too_long"),
        "openrouter:plain": plain(), "openrouter:reasoning": reasoning(), "openrouter:tools": tools(oslo),
        "openrouter:error-in-mid-answer": broken("gateway_unavailable"),
        "openrouter:credit": refused("gateway_quota_exhausted"),
        "moonshot:plain": plain(), "moonshot:reasoning": reasoning(13), "moonshot:tools": tools(oslo, total: 13),
        "moonshot:overloaded": refused("gateway_rate_limited"),
        "perplexity:plain": plain(), "perplexity:invalid": refused("gateway_not_found"),
        "together:plain": plain(), "together:tools": tools(oslo), "together:overloaded": refused("gateway_unavailable"),
        "fireworks:plain": plain(), "fireworks:reasoning": reasoning(), "fireworks:tools": tools(oslo),
        "fireworks:missing": refused("gateway_not_found"),
        "ollama:plain": plain(), "ollama:reasoning": reasoning(), "ollama:tools": tools(oslo, rome),
        "ollama:missing": refused("gateway_not_found"),
        "vllm:plain": plain(), "vllm:reasoning": reasoning(), "vllm:tools": tools(oslo),
        "vllm:error-in-mid-answer": broken("gateway_unavailable"),
        "vllm:too-long": refused("gateway_context_too_long"),
        "sglang:plain": plain(), "sglang:reasoning": reasoning(), "sglang:tools": tools(oslo),
        "sglang:aborted": broken("gateway_interrupted"), "sglang:invalid": refused("gateway_context_too_long"),
        "llamacpp:plain": plain(), "llamacpp:reasoning": reasoning(), "llamacpp:tools": tools(oslo),
        "llamacpp:error-line": broken("gateway_unavailable", isEventStreamOnly: true),
        "llamacpp:loading": refused("gateway_unavailable"),
        "lmstudio:plain": plain(), "lmstudio:reasoning": reasoning(), "lmstudio:tools": tools(oslo),
        "lmstudio:not-loaded": refused("gateway_not_found"),
        "litellm:plain": plain(), "litellm:reasoning": reasoning(), "litellm:tools": tools(oslo),
        "litellm:rate": refused("gateway_rate_limited"),
        "field:plain": field(), "field:finish-in-each-chunk": field(), "field:empty-finish-in-each-chunk": field(),
        "field:finish-withdrawn": field(finish: "length"), "field:usage-in-each-chunk": field(total: 13),
        "field:usage-late": field(total: 13, isEventStreamOnly: true),
        "field:long-reasoning": field(reasoning: String(repeating: "ab ", count: 18_000)),
        "field:whole-in-one-event": field(total: 13), "field:document": field(total: 13, isEventStreamOnly: true),
        "field:text-plain": field(), "field:no-content-type": field(), "field:two-content-types": field(),
        "field:single-newlines": field(isEventStreamOnly: true),
        "field:error-line": broken("gateway_unavailable", text: "one ", isEventStreamOnly: true),
        "field:pings-as-data": field(), "field:new-ids": field(), "field:index-counts-up": field(),
        "field:message-instead-of-delta": field(), "field:content-as-parts": field(),
        "field:one-index-for-two-calls": tools(oslo, rome),
        "field:interrupted": broken("gateway_interrupted", text: "one "),
        "field:finish-then-error": broken("gateway_unavailable", text: "one "),
        "field:heartbeats": broken("gateway_first_chunk_timeout", text: ""),
    ]

    static let names = ProviderFixture.all.flatMap { fixture in fixture.shapes.map { "\(fixture.name):\($0.name)" } }

    @Test func everyShapeIsExpected() {
        #expect(Set(Self.names) == Set(Self.expected.keys))
        #expect(Set(Self.names).count == Self.names.count)
    }

    @Test(arguments: names, GatewayConfiguration.Transport.allCases)
    func becomesWhatItShould(name: String, over transport: GatewayConfiguration.Transport) async throws {
        let expected = try #require(Self.expected[name])
        if expected.isEventStreamOnly, transport == .websocket { return }
        let answer = try await ProviderAnswer.of(name, over: transport) { configuration in
            if name.hasSuffix("heartbeats") { configuration.firstChunkTimeout = .seconds(1) }
        }
        #expect(answer.outcome == expected.outcome)
        #expect(answer.text == expected.text)
        #expect(answer.reasoning == expected.reasoning)
        #expect(answer.calls == expected.calls)
        if expected.outcome == "complete" { #expect(answer.finish == expected.finish) }
        if let total = expected.total { #expect(answer.usage?["total_tokens"]?.integerValue == total) }
    }

    @Test(arguments: [
        ("nobody", "unknown provider nobody; there are: openai, azure,"),
        ("azure:nothing", "unknown shape nothing of azure; there are: plain,"), ("", "unknown provider ;"),
    ])
    func unknownNamesAreTold(_ text: String, _ beginning: String) {
        let error = #expect(throws: ProviderFixture.Unknown.self) { try ProviderFixture.named(text) }
        #expect(error?.description.hasPrefix(beginning) == true)
    }
}
