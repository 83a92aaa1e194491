import ChatModel
import Testing

@testable import JobRunner

/// What an answer used and cost, in the words of every provider.
@Suite struct ProviderUsageTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var usage: String
        /// Input, output, read from the cache, written to it; `nil`: nothing that can be used.
        var tokens: [Int]?

        init(_ name: String, _ usage: String, _ tokens: [Int]?) {
            (self.name, self.usage, self.tokens) = (name, usage, tokens)
        }

        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case("plain", #"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}"#, [9, 2, 0, 0]),
        Case("no total", #"{"prompt_tokens":9,"completion_tokens":2}"#, [9, 2, 0, 0]),
        Case("no answer", #"{"prompt_tokens":9,"total_tokens":11}"#, [9, 2, 0, 0]),
        Case("no prompt", #"{"completion_tokens":2,"total_tokens":11}"#, [9, 2, 0, 0]),
        Case(
            "OpenAI's cache",
            #"{"prompt_tokens":20000,"completion_tokens":100,"total_tokens":20100,"prompt_tokens_details":{"cached_tokens":19000}}"#,
            [20_000, 100, 19_000, 0]),
        Case(
            "details that are null",
            #"{"prompt_tokens":9,"completion_tokens":2,"prompt_tokens_details":null,"completion_tokens_details":null}"#,
            [9, 2, 0, 0]),
        Case(
            "DeepSeek's cache",
            #"{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#,
            [100, 5, 64, 0]),
        Case(
            "DeepSeek's cache alone",
            #"{"completion_tokens":5,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}"#, [100, 5, 64, 0]),
        Case(
            "OpenRouter's writes",
            #"{"prompt_tokens":100,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":10,"cache_write_tokens":80}}"#,
            [100, 5, 10, 80]),
        Case("Moonshot's cache", #"{"prompt_tokens":100,"completion_tokens":5,"cached_tokens":60}"#, [100, 5, 60, 0]),
        Case(
            "Anthropic's own",
            #"{"input_tokens":40,"output_tokens":5,"cache_read_input_tokens":30,"cache_creation_input_tokens":20}"#,
            [90, 5, 30, 20]),
        Case(
            "OpenAI's Responses",
            #"{"input_tokens":40,"output_tokens":5,"total_tokens":45,"input_tokens_details":{"cached_tokens":30}}"#,
            [40, 5, 30, 0]),
        Case(
            "Anthropic's names, inside",
            #"{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"cache_read_input_tokens":30,"cache_creation_input_tokens":20,"prompt_tokens_details":{"cached_tokens":30}}"#,
            [100, 5, 30, 20]),
        Case(
            "Anthropic's names, beside by the total",
            #"{"prompt_tokens":100,"completion_tokens":5,"total_tokens":155,"cache_read_input_tokens":30,"cache_creation_input_tokens":20}"#,
            [150, 5, 30, 20]),
        Case(
            "more than the prompt can only be beside",
            #"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"cache_read_input_tokens":19000}"#,
            [19_010, 5, 19_000, 0]),
        Case(
            "more than the prompt, and in the total",
            #"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":19015,"prompt_tokens_details":{"cached_tokens":19000}}"#,
            [19_010, 5, 19_000, 0]),
        Case(
            "xAI's reasoning",
            #"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#,
            [32, 103, 0, 0]),
        Case("Gemini's bridge", #"{"prompt_tokens":7,"completion_tokens":20,"total_tokens":827}"#, [7, 820, 0, 0]),
        Case(
            "reasoning within the answer",
            #"{"prompt_tokens":7,"completion_tokens":120,"total_tokens":127,"completion_tokens_details":{"reasoning_tokens":100}}"#,
            [7, 120, 0, 0]),
        Case(
            "reasoning beside, without a total",
            #"{"prompt_tokens":7,"completion_tokens":20,"completion_tokens_details":{"reasoning_tokens":100}}"#,
            [7, 120, 0, 0]),
        Case(
            "a total that is too small", #"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":3}"#, [9, 2, 0, 0]),
        Case(
            "texts and fractions",
            #"{"prompt_tokens":"20","completion_tokens":2.0,"total_tokens":"2.2e1","prompt_tokens_details":{"cached_tokens":"5"}}"#,
            [20, 2, 5, 0]),
        Case(
            "negative and huge",
            #"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":-4,"prompt_tokens_details":{"cached_tokens":-1},"cache_read_input_tokens":1e300,"cached_tokens":9223372036854775807}"#,
            [9, 2, 0, 0]),
        Case("a negative prompt", #"{"prompt_tokens":-9,"completion_tokens":2}"#, nil),
        Case("beyond any number", #"{"prompt_tokens":99999999999999999999999,"completion_tokens":2}"#, nil),
        Case("texts that are no numbers", #"{"prompt_tokens":"nan","completion_tokens":"inf"}"#, nil),
        Case(
            "the largest of everything",
            #"{"prompt_tokens":1099511627776,"completion_tokens":1099511627776,"total_tokens":1099511627776,"cache_read_input_tokens":1099511627776,"cache_creation_input_tokens":1099511627776}"#,
            [3 << 40, 1 << 40, 1 << 40, 1 << 40]),
        Case(
            "the first object of a list", #"[null,{"prompt_tokens":9,"completion_tokens":2},{"prompt_tokens":1}]"#,
            [9, 2, 0, 0]),
        Case("null", "null", nil), Case("nothing", "", nil), Case("an empty object", "{}", nil),
        Case("a list", "[]", nil),
        Case("a number", "7", nil), Case("no JSON", "{", nil),
        Case("other types", #"{"prompt_tokens":[],"completion_tokens":{},"total_tokens":true}"#, nil),
    ]

    @Test(arguments: cases) func isRead(_ example: Case) {
        let usage = ProviderUsage(Array(example.usage.utf8))?.usage
        #expect(
            usage.map { [$0.promptTokens, $0.completionTokens, $0.cachedTokens, $0.cacheWriteTokens] } == example.tokens
        )
        #expect(usage?.isEstimated != true)
        if let usage {
            let price = Price(input: 1e6, output: 1e6, cachedInput: 1e6, cacheWrite: 1e6)
            #expect(price.cost(promptTokens: usage.promptTokens, completionTokens: usage.completionTokens) > .zero)
        }
    }

    static let prices: [(price: Price, usage: TokenUsage, cost: Int64)] = [
        (
            Price(input: 2, output: 8, cachedInput: 0.5),
            TokenUsage(promptTokens: 20_000, completionTokens: 100, cachedTokens: 19_000, isEstimated: false),
            12_300_000
        ),
        (
            Price(input: 2, output: 8),
            TokenUsage(promptTokens: 20_000, completionTokens: 100, cachedTokens: 19_000, isEstimated: false),
            40_800_000
        ),
        (
            Price(input: 4, output: 8, cachedInput: 0.5, cacheWrite: 5),
            TokenUsage(
                promptTokens: 100, completionTokens: 10, cachedTokens: 30, cacheWriteTokens: 20, isEstimated: false),
            50 * 4_000 + 30 * 500 + 20 * 5_000 + 10 * 8_000
        ),
        (
            Price(input: 4, output: 8, cachedInput: 0),
            TokenUsage(promptTokens: 100, completionTokens: 0, cachedTokens: 100, isEstimated: false), 0
        ),
    ]

    @Test(arguments: prices) func costs(price: Price, usage: TokenUsage, cost: Int64) {
        let start = AttemptStart(
            key: JobKey(customer: "acme", id: "job-1"), attempt: 1, began: 0, gateway: "main", model: "m", price: price,
            promptTokens: usage.promptTokens, mostTokens: usage.completionTokens)
        let charge = Charge(start, usage: usage, outcome: .completed)
        #expect(charge.cost == Money(billionths: cost))
        // What is reserved is never less.
        #expect(start.cost(completionTokens: usage.completionTokens) >= Money(billionths: cost))
    }

    @Test(
        arguments: [
            (#"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"x":1}"#, nil),
            (
                #"[{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}]"#,
                #"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}"#
            ),
            (
                #"{"prompt_tokens":"9","completion_tokens":2,"cached_tokens":4}"#,
                #"{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}"#
            ),
            ("null", #"{"prompt_tokens":5,"completion_tokens":1,"total_tokens":6}"#),
        ] as [(String, String?)])
    func isShownAsOpenAIsObject(raw: String, shown: String?) {
        let bytes = Array(raw.utf8)
        let usage =
            ProviderUsage(bytes)?.usage ?? TokenUsage(promptTokens: 5, completionTokens: 1, isEstimated: true)
        var output: [UInt8] = []
        usage.append(raw: bytes, to: &output)
        #expect(String(decoding: output, as: UTF8.self) == shown ?? raw)
    }
}
