internal import ChatModel

/// What a provider says that an answer used, in the words of the field: OpenAI's, DeepSeek's, Anthropic's, xAI's and those of
/// the bridges between them. Everything in it is read with suspicion: a number may be a text or a fraction, and one that is
/// negative or beyond all reason counts as if it were not there.
///
/// Two conventions exist for tokens of a cache. OpenAI counts them inside `prompt_tokens`, Anthropic beside `input_tokens`.
/// They are taken as beside
/// - if the prompt is called `input_tokens` and the cache's counts have Anthropic's names,
/// - if they are more than the whole prompt, which they cannot be inside it,
/// - if they have Anthropic's names and `total_tokens` is the sum of all of them;
/// else as inside.
struct ProviderUsage: Equatable {
    let usage: TokenUsage
    /// It has OpenAI's three counts as whole numbers, so it can be shown as it came.
    let isPlain: Bool

    /// - Parameter raw: `usage` as it came: an object, or a list of which the first object counts. `nil` if it does not tell
    ///   how long both the prompt and the answer were.
    init?(_ raw: [UInt8]) {
        guard !raw.isEmpty, let value = try? JSONValue(parsing: raw) else { return nil }
        let first = value.arrayValue?.first { if case .object = $0 { true } else { false } }
        self.init(first ?? value, isList: first != nil)
    }

    private init?(_ object: JSONValue, isList: Bool) {
        guard case .object = object else { return nil }
        let total = Self.count(object["total_tokens"])
        let cache = CacheCounts(object)
        let (hit, miss) = (
            Self.count(object["prompt_cache_hit_tokens"]), Self.count(object["prompt_cache_miss_tokens"])
        )
        let named = Self.count(object["prompt_tokens"])
        let native = named == nil ? Self.count(object["input_tokens"]) : nil
        let told = named ?? native ?? (miss.map { $0 + (hit ?? 0) })
        let answered = Self.count(object["completion_tokens"]) ?? Self.count(object["output_tokens"])
        // Two of the three numbers tell the third.
        guard let prompt = told ?? Self.difference(total, answered),
            let answer = answered ?? Self.difference(total, prompt)
        else { return nil }

        let isBeside =
            cache.sum > prompt
            || cache.hasAnthropicNames && cache.sum > 0
                && (native != nil || total == prompt + answer + cache.sum)
        let input = isBeside ? prompt + cache.sum : prompt
        // Reasoning that stands beside the answer is in the total only, or shows by being more than the answer.
        var output = max(answer, Self.difference(total, input) ?? 0)
        let reasoning = Self.detail("reasoning_tokens", of: object, in: Self.answerDetails) ?? 0
        if total == nil, reasoning > answer { output = answer + reasoning }
        usage = TokenUsage(
            promptTokens: input, completionTokens: output, cachedTokens: cache.read, cacheWriteTokens: cache.written,
            isEstimated: false)
        let isWhole = ["prompt_tokens", "completion_tokens", "total_tokens"]
            .allSatisfy { (object[$0]?.integerValue).map { (0...Self.most).contains($0) } ?? false }
        isPlain = isWhole && !isList
    }

    // MARK: Reading

    static let promptDetails = ["prompt_tokens_details", "input_tokens_details"]
    private static let answerDetails = ["completion_tokens_details", "output_tokens_details"]
    /// Beyond it a number is nonsense; sums of a few of them stay far from overflowing.
    private static let most = 1 << 40

    /// A count, if it is one.
    static func count(_ value: JSONValue?) -> Int? {
        let text: String
        switch value {
        case .number(let number): text = number
        case .string(let string): text = string
        default: return nil
        }
        if let whole = Int(text) { return (0...most).contains(whole) ? whole : nil }
        // False for what is not a number, too.
        guard let fraction = Double(text), fraction >= 0, fraction <= Double(most) else { return nil }
        return Int(fraction.rounded())
    }

    static func detail(_ name: String, of object: JSONValue, in places: [String]) -> Int? {
        places.lazy.compactMap { count(object[$0]?[name]) }.first
    }

    private static func difference(_ total: Int?, _ part: Int?) -> Int? {
        guard let total, let part, total >= part else { return nil }
        return total - part
    }
}

/// Tokens of a provider's cache. Bridges say one number under several names: the largest counts.
private struct CacheCounts {
    let read: Int
    let written: Int
    let hasAnthropicNames: Bool

    var sum: Int { read + written }

    init(_ object: JSONValue) {
        let anthropic = (
            read: ProviderUsage.count(object["cache_read_input_tokens"]),
            written: ProviderUsage.count(object["cache_creation_input_tokens"])
        )
        hasAnthropicNames = anthropic.read ?? 0 > 0 || anthropic.written ?? 0 > 0
        func detail(_ name: String) -> Int? {
            ProviderUsage.detail(name, of: object, in: ProviderUsage.promptDetails)
        }
        read =
            [
                anthropic.read, detail("cached_tokens"), ProviderUsage.count(object["prompt_cache_hit_tokens"]),
                ProviderUsage.count(object["cached_tokens"]),
            ]
            .compactMap { $0 }.max() ?? 0
        written =
            [anthropic.written, detail("cache_write_tokens"), detail("cache_creation_tokens")]
            .compactMap { $0 }.max() ?? 0
    }
}

extension TokenUsage {
    /// Writes OpenAI's usage object: as the provider sent it if that is one, else made of what was understood.
    ///
    /// - Parameter raw: `AnswerLog.usage`.
    func append(raw: [UInt8], to output: inout [UInt8]) {
        if !isEstimated, let reported = ProviderUsage(raw), reported.isPlain {
            output.append(contentsOf: raw)
            return
        }
        output.append(
            contentsOf:
                "{\"prompt_tokens\":\(promptTokens),\"completion_tokens\":\(completionTokens),\"total_tokens\":\(totalTokens)"
                .utf8)
        if cachedTokens > 0 {
            output.append(contentsOf: ",\"prompt_tokens_details\":{\"cached_tokens\":\(cachedTokens)}".utf8)
        }
        output.append(0x7D)
    }

    /// Writes the members of a charge that tell of a provider's cache, a comma before each; nothing if it had no part.
    func appendCacheMembers(to output: inout [UInt8]) {
        if cachedTokens > 0 { output.append(contentsOf: ",\"cached_tokens\":\(cachedTokens)".utf8) }
        if cacheWriteTokens > 0 { output.append(contentsOf: ",\"cache_write_tokens\":\(cacheWriteTokens)".utf8) }
    }
}
