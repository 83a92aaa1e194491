import ChatModel

/// What a gateway's own error says, in any of the shapes seen in the field: `{"error": {…}}`, `[{"error": {…}}]`,
/// `{"error": "…"}`, `{"type": "error", "code", "message"}`, `{"type": "error", "status", "error": {…, "headers"}}`,
/// `{"object": "error", "message", "code"}`, `{"detail": "…"}`, `{"errors": […]}`, a text, a page.
///
/// Its `message` is not kept: gateways repeat keys and prompts in it. `text` has it until the failure is judged.
struct UpstreamError: Equatable {
    var status: Int?
    var type: String?
    var code: String?
    var param: String?
    var retryAfter: Duration?
    /// When the limit that was met is over, by the headers of limits; counts where the request was refused for one (429).
    var limitReset: Duration?
    /// The gateway's `x-should-retry`.
    var shouldRetry: Bool?
    var kind: RefusalKind?
    /// A code or a type says so, or a number, and not a sentence alone.
    var isKindCertain = false
    var text = RefusedText([])
    /// It has the shape of an error, which no answer has.
    private(set) var saysError = false
    /// It is one where chunks are awaited: SGLang's `{"object": "error"}`, Google's lists.
    private(set) var isMessage = false
    /// Parameters that the model does not take, if they can do without.
    var refusedParameters: ParameterRefusal?

    init() {}

    /// - Parameters:
    ///   - bytes: an error message, or the body of a refused request; anything else leaves everything `nil`.
    ///   - secret: a word that must not be passed on.
    ///   - now: seconds since 1970, for a `Retry-After` that is a date.
    init(_ bytes: UnsafeRawBufferPointer, hiding secret: String, now: Double) {
        guard let document = try? JSONValue(parsing: bytes, maximumDepth: 32) else {
            // A page, a sentence, or JSON that was cut: its words may still say what is the matter.
            self.text = RefusedText([String(decoding: bytes.prefix(RefusedText.longest), as: UTF8.self)])
            judge(UpstreamErrorShape(.null), now: now)
            return
        }
        let shape = UpstreamErrorShape(document)
        func text(_ value: JSONValue?) -> String? { Self.clean(value, hiding: secret) }

        code = text(shape["code"])
        type = shape.all("type").lazy.compactMap { text($0) }.first { $0 != "error" } ?? text(shape.statusWord)
        param = text(shape["param"])
        status =
            ["status", "code", "status_code", "http_code"].lazy.compactMap { Self.status(shape, $0) }.first
            ?? [code, type].lazy.compactMap { $0 }.compactMap { RefusalWords.status(of: $0) }.first
        saysError = type != nil || code != nil || shape.saysError
        isMessage = shape.saysError
        self.text = RefusedText(shape.messages)
        judge(shape, now: now)
        // OpenRouter's.
        if kind == nil, shape["metadata"]?["flagged_input"] != nil { (kind, isKindCertain) = (.contentFilter, true) }
        refusedParameters = ParameterRefusal(
            words: [code, type], param: param, message: shape.messages.first, document: document)
        readHeaders(now: now, shape.header)
    }

    /// `retry-after-ms`, `retry-after` and `x-should-retry`, as openai-python reads them, and the headers of limits.
    mutating func readHeaders(now: Double, _ header: (String) -> String?) {
        retryAfter =
            RetryAfter.parse(milliseconds: header("retry-after-ms"), header: header("retry-after"), now: now)
            ?? retryAfter
        limitReset = RateLimitReset.wait(words: [type, code].compactMap { $0 }, now: now, header) ?? limitReset
        switch header("x-should-retry") {
        case "true": shouldRetry = true
        case "false": shouldRetry = false
        default: break
        }
    }

    /// Kind and wait, from words, sentences and details.
    private mutating func judge(_ shape: UpstreamErrorShape, now: Double) {
        let saidWait = WaitText.said(in: text)
        retryAfter = shape.retryDelay.flatMap { WaitText.parse($0, now: now) } ?? saidWait
        let isTooLarge = RefusalPhrases.isOverItsLimit(text)
        let word = shape.words.lazy.compactMap { RefusalWords.kind(of: $0.word, isText: $0.isText) }.first
        if isTooLarge {
            (kind, isKindCertain) = (.contextTooLong, true)
        } else if word != nil, word != .rateLimited, word != .overloaded {
            (kind, isKindCertain) = (word, true)
        } else if shape.isOverDailyQuota || (RefusalPhrases.isOfDays(text) && saidWait == nil && word == .rateLimited) {
            // Google's wait speaks of the minute, whichever limit was met.
            (kind, isKindCertain, retryAfter) = (.outOfCredit, true, nil)
        } else if word != nil {
            (kind, isKindCertain) = (word, true)
        } else if retryAfter == nil, RefusalPhrases.billing.contains(where: text.contains) {
            kind = .outOfCredit
        } else {
            kind = RefusalPhrases.kind(of: text)
        }
    }

    /// What the kind is, where the status allows it: a 401 speaks of the key, whatever words it chooses, and a gateway that is
    /// broken may speak of anything.
    func kind(with status: Int?) -> RefusalKind? {
        switch status {
        case .some(300..<400), 401: nil
        case 402: .outOfCredit
        case 404, 410: .modelGone
        case 413: .contextTooLong
        case 429: kind == .outOfCredit || (kind == .contextTooLong && isKindCertain) || isOfDays ? finalKind : nil
        case 403: kind == .modelGone || kind == .overloaded || (kind == .rateLimited && !isKindCertain) ? nil : kind
        case .some(500...):
            kind == .contextTooLong || isKindCertain ? finalKind.flatMap { $0 == .modelGone ? nil : $0 } : nil
        default: kind
        }
    }

    private var finalKind: RefusalKind? { kind?.isFinal == true ? kind : isOfDays ? .outOfCredit : nil }

    /// A limit of days was met, and nothing says when it is over.
    private var isOfDays: Bool {
        kind?.isFinal != true && retryAfter == nil && limitReset == nil && RefusalPhrases.isOfDays(text)
    }

    /// At most 128 characters, printable, and without the secret.
    private static func clean(_ value: JSONValue?, hiding secret: String) -> String? {
        let text: String
        switch value {
        case .string(let string): text = string
        case .number(let number): text = number
        default: return nil
        }
        guard !text.isEmpty, secret.isEmpty || !text.utf8.contains(subsequence: secret.utf8) else { return nil }
        let printable = text.unicodeScalars.prefix(128).map { scalar in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "?" : Character(scalar)
        }
        return String(printable)
    }

    /// The outer object's number goes first where it has one: the inner one may be a model's own.
    private static func status(_ shape: UpstreamErrorShape, _ key: String) -> Int? {
        shape.all(key).reversed().lazy.compactMap { value -> Int? in
            let number = value.integerValue ?? value.stringValue.flatMap { Int($0) }
            return number.flatMap { (300..<600).contains($0) ? $0 : nil }
        }.first
    }
}

extension Collection where Element: Equatable {
    fileprivate func contains(subsequence: some Collection<Element>) -> Bool {
        var rest = self[...]
        while rest.count >= subsequence.count {
            if rest.starts(with: subsequence) { return true }
            rest = rest.dropFirst()
        }
        return false
    }
}
