/// What providers call the kinds of refusal in `code`, `type` and `status`: OpenAI, Azure, Anthropic, Google, AWS, Mistral,
/// Cohere, Groq, xAI, DeepSeek, Moonshot, DashScope, Zhipu, MiniMax, Baidu, OpenRouter, vLLM, llama.cpp, LiteLLM, one-api.
enum RefusalWords {
    /// - Parameter isText: numbers stand for a kind where a provider sends them as texts (Zhipu); a bare number is a status.
    static func kind(of word: String, isText: Bool) -> RefusalKind? {
        let plain = plain(word)
        if let kind = known[plain] { return kind }
        if isText, let kind = zhipu[plain] { return kind }
        // Volcengine: InputTextSensitiveContentDetected.PoliticalSpeech, and others.
        return plain.contains("sensitivecontentdetected") ? .contentFilter : nil
    }

    /// The status that goes with a word; codes of HTTP's and of gRPC's.
    static func status(of word: String) -> Int? { statuses[plain(word)] }

    /// Providers write `content_filter`, `ContentFilter` and `content-filter`.
    private static func plain(_ word: String) -> String {
        String(
            decoding: word.lowercased().utf8.filter { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) },
            as: UTF8.self)
    }

    private static let known: [String: RefusalKind] = table([
        .contextTooLong: [
            "contextlengthexceeded", "exceedcontextsizeerror", "contextwindowexceeded", "contextwindowexceedederror",
            "stringabovemaxlength", "requesttoolarge", "requestentitytoolarge", "payloadtoolarge", "tokenstoolong",
            "characterstoolong", "prompttoolong", "inputtoolong", "maxtokensexceeded",
        ],
        .contentFilter: [
            "contentfilter", "contentfiltered", "contentpolicyviolation", "contentpolicyviolationerror",
            "responsibleaipolicyviolation", "contentblocked", "moderationblocked", "moderationerror",
            "datainspectionfailed", "sensitivewordsdetected", "prohibitedcontent", "safety", "blocklist",
            "cyberpolicyviolation", "guardrailintervened", "newsensitive",
        ],
        .outOfCredit: [
            "insufficientquota", "insufficientbalance", "insufficientbalanceerror", "insufficientcredits",
            "insufficientfunds", "insufficientuserquota", "preconsumetokenquotafailed", "exceededcurrentquotaerror",
            "billinghardlimitreached", "billingnotactive", "billingerror", "paymentrequired", "paymentrequirederror",
            "arrearage", "accountoverdueerror", "allocationquotafreetieronly", "creditlimitexceeded", "budgetexceeded",
            "quotaexhausted", "dailyquotaexceeded",
        ],
        .modelGone: [
            "modelnotfound", "modelnotfounderror", "modelnotexist", "modeldecommissioned", "modeldeprecated",
            "modelnotavailable", "invalidmodel", "deploymentnotfound", "unknownmodel", "modelretired",
        ],
        .overloaded: [
            "overloaded", "overloadederror", "engineoverloaded", "engineoverloadederror", "serviceunavailable",
            "serviceunavailableerror", "serviceunavailableexception", "serveroverloaded", "modelnotreadyexception",
            "capacityexceeded", "unavailable",
        ],
        .rateLimited: [
            "ratelimitexceeded", "ratelimiterror", "ratelimitreached", "ratelimitreachederror", "toomanyrequests",
            "throttling", "throttlingexception", "throttlingratequota", "throttlingallocationquota", "limitrequests",
            "limitburstrate", "resourceexhausted", "requestlimitexceeded", "toomanyrequestsexception",
        ],
    ])

    /// Zhipu's numbers (1261 too long, 1301 content, 1113 arrears, 1304 and 1308 to 1310 used-up plans, 1211 no such model, 1302 to
    /// 1305 rates).
    private static let zhipu: [String: RefusalKind] = table([
        .contextTooLong: ["1261"], .contentFilter: ["1301"], .outOfCredit: ["1113", "1304", "1308", "1309", "1310"],
        .modelGone: ["1211", "1212"], .rateLimited: ["1302", "1303", "1305"],
    ])

    private static func table(_ words: [RefusalKind: [String]]) -> [String: RefusalKind] {
        words.reduce(into: [:]) { table, entry in for word in entry.value { table[word] = entry.key } }
    }

    private static let statuses: [String: Int] = [
        400: [
            "invalidrequesterror", "contextlengthexceeded", "invalidvalue", "badrequest", "badrequesterror",
            "invalidargument", "failedprecondition", "outofrange", "validationexception", "invalidparameter",
        ],
        401: ["invalidapikey", "authenticationerror", "unauthorized", "unauthenticated", "invalidauthenticationerror"],
        402: ["insufficientbalance", "paymentrequired", "paymentrequirederror", "billingerror"],
        403: ["permissionerror", "permissiondenied", "permissiondeniederror", "forbidden", "accessdeniedexception"],
        404: ["modelnotfound", "notfounderror", "notfound", "resourcenotfounderror", "deploymentnotfound"],
        408: ["timeout", "timeouterror", "requesttimeout"],
        409: ["conflict", "conflicterror", "aborted"],
        413: ["requesttoolarge"],
        429: [
            "ratelimitexceeded", "ratelimiterror", "insufficientquota", "toomanyrequests", "tokens", "requests",
            "resourceexhausted", "throttlingexception", "exceededcurrentquotaerror", "ratelimitreachederror",
        ],
        500: ["servererror", "internalerror", "internalservererror", "apierror", "internal", "dataloss"],
        503: [
            "overloaded", "overloadederror", "serviceunavailable", "engineoverloaded", "engineoverloadederror",
            "unavailable",
        ],
        504: ["deadlineexceeded", "gatewaytimeout"],
    ].reduce(into: [:]) { table, entry in for word in entry.value { table[word] = entry.key } }
}
