import Testing

@testable import Gateway

/// What refusals of providers mean, in the words in which they were seen.
@Suite struct RefusalTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var status: Int?
        var body: String
        var headers: [String: String] = [:]
        var code: String
        var isRetryable = false
        var wait: Duration?
        var testDescription: String { "\(status.map { "\($0)" } ?? "message") \(body.prefix(80))" }
    }

    static func failure(_ test: Case) -> GatewayFailure {
        var error = Array(test.body.utf8).withUnsafeBytes { UpstreamError($0, hiding: "sk-secret", now: 1_000_000) }
        error.readHeaders(now: 1_000_000) { test.headers[$0] }
        return .refused(.request, status: test.status ?? error.status, error)
    }

    private static func tooLong(_ status: Int?, _ body: String) -> Case {
        Case(status: status, body: body, code: "gateway_context_too_long")
    }
    private static func filtered(_ status: Int?, _ body: String) -> Case {
        Case(status: status, body: body, code: "gateway_content_filter")
    }
    private static func credit(_ status: Int?, _ body: String) -> Case {
        Case(status: status, body: body, code: "gateway_quota_exhausted")
    }
    private static func gone(_ status: Int?, _ body: String) -> Case {
        Case(status: status, body: body, code: "gateway_not_found")
    }
    private static func down(_ status: Int?, _ body: String) -> Case {
        Case(status: status, body: body, code: "gateway_unavailable", isRetryable: true)
    }
    private static func limited(
        _ status: Int?, _ body: String, _ headers: [String: String] = [:], wait: Duration? = nil
    ) -> Case {
        Case(
            status: status, body: body, headers: headers, code: "gateway_rate_limited", isRetryable: true, wait: wait)
    }

    static let tooLongOnes = [
        tooLong(
            400,
            #"{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#
        ),
        tooLong(
            400,
            #"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}"#
        ),
        tooLong(
            400,
            #"{"type":"error","error":{"type":"invalid_request_error","message":"input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000"}}"#
        ),
        tooLong(
            400,
            #"{"error":{"code":400,"message":"The input token count (461428) exceeds the maximum number of tokens allowed (131072).","status":"INVALID_ARGUMENT"}}"#
        ),
        tooLong(
            400,
            #"[{"error":{"code":400,"message":"The input token count (2) exceeds the maximum number of tokens allowed (1).","status":"INVALID_ARGUMENT"}}]"#
        ),
        tooLong(400, #"{"message":"Input is too long for requested model."}"#),
        tooLong(
            400,
            #"{"object":"error","message":"The input (61709 tokens) is longer than the model's context length (40960 tokens).","type":"BadRequestError","param":null,"code":400}"#
        ),
        tooLong(
            nil,
            #"{"object":"error","message":"The input (61709 tokens) is longer than the model's context length (40960 tokens).","code":400}"#
        ),
        tooLong(
            400,
            #"{"object":"error","message":"Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."}"#
        ),
        tooLong(
            400,
            #"{"object":"error","message":"This model's maximum context length is 32768 tokens. However, you requested 41648 tokens","type":"BadRequestError","code":400}"#
        ),
        tooLong(
            400,
            #"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_ctx":4096}}"#
        ),
        tooLong(
            400,
            #"{"code":"Client specified an invalid argument","error":"This model's maximum prompt length is 131072 but the request contains 136973 tokens."}"#
        ),
        tooLong(
            400,
            #"{"error":{"code":"invalid_parameter_error","message":"Range of input length should be [1, 98304]","type":"invalid_request_error"}}"#
        ),
        tooLong(
            400,
            #"{"object":"error","message":"Prompt contains 65673 tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","code":"3051"}"#
        ),
        tooLong(400, #"{"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081"}"#),
        tooLong(
            422,
            #"{"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 32768. Given: 71508","error_type":"validation"}"#
        ),
        tooLong(
            400,
            #"{"error":{"message":"Invalid request: Your request exceeded model token limit: 8192","type":"invalid_request_error"}}"#
        ),
        tooLong(400, #"{"error":{"code":"1261","message":"x"}}"#),
        tooLong(
            400,
            #"{"error":{"code":"tokens_too_long","message":"Prompt tokens too long","type":"invalid_request_error"}}"#),
        tooLong(
            413, #"{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#),
        tooLong(413, "<html><title>413 Request Entity Too Large</title></html>"),
        tooLong(413, ""),
        tooLong(400, #""prompt is too long""#),
        tooLong(400, "the prompt is too long for this model"),
        tooLong(
            500,
            #"{"error":{"message":"litellm.ContextWindowExceededError: prompt is too long","type":null,"code":"500"}}"#),
        tooLong(
            400,
            #"{"error":{"message":"{\"error\":{\"code\":\"context_length_exceeded\",\"message\":\"x\"}}","code":400}}"#),
        tooLong(
            400,
            #"{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"prompt is too long: 5 tokens > 4 maximum\"}}"}}}"#
        ),
        // No wait lets them through.
        tooLong(
            429,
            #"{"error":{"message":"Request too large for m on tokens per min (TPM): Limit 30000, Requested 342389.","type":"tokens","code":"rate_limit_exceeded"}}"#
        ),
        tooLong(
            nil,
            #"{"error":{"message":"Request too large for m on tokens per min (TPM): Limit 30000, Requested 342389.","type":"tokens","code":"rate_limit_exceeded"}}"#
        ),
        tooLong(
            429,
            #"{"error":{"message":"Rate limit reached for m on tokens per min. Limit: 30,000, Used: 0, Requested: 34,000. Please try again in 8s.","type":"tokens","code":"rate_limit_exceeded"}}"#
        ),
        tooLong(
            413,
            #"{"error":{"message":"Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 14810, please reduce your message size","type":"tokens","code":"rate_limit_exceeded"}}"#
        ),
    ]

    static let filteredOnes = [
        filtered(
            400,
            #"{"error":{"message":"m","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}"#
        ),
        filtered(
            400,
            #"{"error":{"code":"data_inspection_failed","message":"Input data may contain inappropriate content."}}"#),
        filtered(400, #"{"code":"DataInspectionFailed","message":"x"}"#),
        filtered(403, #"{"code":"The caller may not do this","error":"Content violates usage guidelines"}"#),
        filtered(403, #"{"error":{"code":403,"message":"x","metadata":{"reasons":["x"],"flagged_input":"y"}}}"#),
        filtered(400, #"{"error":{"message":"Content Exists Risk","type":"invalid_request_error"}}"#),
        filtered(400, #"{"error":{"code":"1301","message":"x"}}"#),
        filtered(
            400,
            #"{"error":{"message":"The request was rejected because it was considered high risk","type":"content_filter"}}"#
        ),
        filtered(nil, #"{"error":{"code":"content_filter","message":"x"}}"#),
    ]

    static let creditOnes = [
        credit(
            402, #"{"error":{"message":"Insufficient Balance","type":"unknown_error","code":"invalid_request_error"}}"#),
        credit(402, #"{"error":{"message":"This request requires more credits, or fewer max_tokens.","code":402}}"#),
        credit(402, ""), credit(nil, #"{"error":{"message":"x","code":402}}"#),
        credit(
            429,
            #"{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","code":"insufficient_quota"}}"#
        ),
        credit(
            429,
            #"{"error":{"message":"You exceeded your current quota, please check your plan and billing details."}}"#),
        credit(
            403,
            #"{"error":{"message":"Your account org is not active, organization exceeded current quota","type":"exceeded_current_quota_error"}}"#
        ),
        credit(
            400,
            #"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#
        ),
        credit(429, #"{"error":{"code":"1113","message":"x"}}"#),
        credit(429, "{\"error\":{\"message\":\"\u{4F59}\u{989D}\u{4E0D}\u{8DB3}\"}}"),
        credit(
            400, #"{"code":"Arrearage","message":"Access denied, please make sure your account is in good standing."}"#),
        credit(
            403,
            #"{"code":30011,"message":"Your paid balance is insufficient. Please top up and try again.","data":null}"#),
        credit(
            403,
            #"{"code":"x","error":"Your team has either used all available credits or reached its monthly spending limit."}"#
        ),
        credit(
            429,
            #"{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"36s"}]}}"#
        ),
        credit(429, #"{"error":{"message":"Rate limit exceeded: free-models-per-day. Add 10 credits","code":429}}"#),
    ]

    static let goneOnes = [
        gone(404, #"{"error":{"message":"No endpoints found for m.","code":404}}"#), gone(404, ""), gone(410, ""),
        gone(
            404,
            #"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#
        ),
        gone(
            404,
            #"{"error":{"message":"The model `x` does not exist or you do not have access to it.","code":"model_not_found"}}"#
        ),
        gone(404, #"{"error":"model 'x' not found"}"#),
        gone(
            400,
            #"{"error":{"message":"The model `x` has been decommissioned","type":"invalid_request_error","code":"model_decommissioned"}}"#
        ),
        gone(400, #"{"error":{"message":"Model Not Exist","type":"invalid_request_error"}}"#),
        gone(400, #"{"message":"The provided model identifier is invalid."}"#),
        gone(nil, #"{"error":{"message":"m","code":"model_not_found"}}"#),
        gone(404, "<html><body>404 page not found</body></html>"),
    ]

    static let downOnes = [
        down(529, #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        down(nil, #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#),
        down(
            503,
            #"{"error":{"message":"The engine is currently overloaded, please try again later","type":"server_error"}}"#
        ),
        down(nil, #"{"error":{"message":"The engine is currently overloaded, please try again later"}}"#),
        down(503, #"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#),
        down(522, "<!DOCTYPE html><title>example.com | 522: Connection timed out</title>"),
        down(503, "<html>moderation, a content filter, insufficient balance</html>"),
        down(503, #"{"error":{"code":"model_not_found","message":"No available channel"}}"#),
    ]

    static let limitedOnes = [
        limited(429, ""),
        limited(429, #"{"error":{"message":"The engine is currently overloaded","type":"engine_overloaded_error"}}"#),
        limited(nil, #"{"error":{"message":"x","type":"rate_limit_error"}}"#),
        limited(
            429,
            #"[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"39s"}]}}]"#,
            wait: .seconds(39)),
        limited(
            429,
            #"{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.\nPlease retry in 45.5s.","status":"RESOURCE_EXHAUSTED"}}"#,
            wait: .milliseconds(45_500)),
        limited(
            429,
            #"{"error":{"message":"Rate limit reached for model `m` on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619. Please try again in 9m38.016s.","type":"tokens","code":"rate_limit_exceeded"}}"#,
            wait: .milliseconds(578_016)),
        limited(
            429, #"{"error":{"message":"Please retry after 10 seconds."}}"#, wait: .seconds(10)),
        limited(429, #"{"error":{"message":"try again in 7m12.5s"}}"#, ["retry-after": "3"], wait: .seconds(3)),
        limited(
            429, "",
            [
                "x-ratelimit-remaining-requests": "4999", "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "20ms",
            ], wait: .milliseconds(20)),
        limited(429, "", ["x-ratelimit-reset-tokens": "7.66s"], wait: .milliseconds(7_660)),
        limited(429, "", ["x-ratelimit-reset": "1000042"], wait: .seconds(86_400)),
        limited(
            429, #"{"error":{"type":"tokens","message":"x"}}"#,
            ["x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "1s"], wait: .seconds(1)),
        limited(
            429, "",
            [
                "anthropic-ratelimit-requests-remaining": "9",
                "anthropic-ratelimit-requests-reset": "1970-01-12T14:00:00Z",
                "anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "1970-01-12T13:46:50Z",
            ], wait: .seconds(10)),
        limited(
            429,
            #"{"error":{"message":"x","code":429,"metadata":{"headers":{"X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1742515200000"}}}}"#,
            wait: .seconds(86_400)),
        limited(
            400, #"{"__type":"ThrottlingException","message":"Too many tokens, please wait before trying again."}"#),
    ]

    /// What is none of these.
    static let others = [
        Case(
            status: 400,
            body:
                #"{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model.","code":"unsupported_parameter"}}"#,
            code: "gateway_bad_request"),
        Case(
            status: 400,
            body:
                #"{"error":{"message":"max_tokens is too large: 100000. This model supports at most 16384 completion tokens"}}"#,
            code: "gateway_bad_request"),
        Case(
            status: 401, body: #"{"error":{"message":"insufficient balance, prompt is too long, content filter"}}"#,
            code: "gateway_unauthorized"),
        Case(
            status: 403, body: #"{"error":{"message":"Your account was suspended for violating the usage policy"}}"#,
            code: "gateway_forbidden"),
        Case(
            status: 403,
            body: #"{"error":{"message":"Project x does not have access to model m","code":"model_not_found"}}"#,
            code: "gateway_forbidden"),
        Case(status: 301, body: "prompt is too long", code: "gateway_redirected"),
        Case(status: nil, body: #"{"error":"out of memory"}"#, code: "gateway_error"),
    ]

    @Test(arguments: tooLongOnes + filteredOnes + creditOnes + goneOnes + downOnes + limitedOnes + others)
    func meaning(_ test: Case) {
        let failure = Self.failure(test)
        #expect(failure.code == test.code)
        #expect(failure.isRetryable == test.isRetryable)
        #expect(failure.retryAfter == test.wait)
        let told = "\(failure.judged(by: ErrorPhrases())) \(failure.message) \(failure)"
        #expect(!told.contains("Range of input") && !told.contains("maximum context"), "its words are never passed on")
        #expect(failure.judged(by: ErrorPhrases()).text == nil)
    }

    /// A gateway's reset speaks of a limit that was met, and not of other failures.
    @Test func aResetCountsForARateLimitOnly() {
        let test = Case(status: 503, body: "", headers: ["x-ratelimit-reset-tokens": "7s"], code: "")
        #expect(Self.failure(test).retryAfter == nil)
    }

    @Test(arguments: RefusalKind.allCases, [400, 401, 418, 429, 500])
    func theOperatorsPhrases(_ kind: RefusalKind, _ status: Int) {
        let codes: [RefusalKind: String] = [
            .contextTooLong: "gateway_context_too_long", .contentFilter: "gateway_content_filter",
            .outOfCredit: "gateway_quota_exhausted", .modelGone: "gateway_not_found",
            .overloaded: "gateway_unavailable", .rateLimited: "gateway_rate_limited",
        ]
        let phrases = ErrorPhrases([kind: ["", "Too Much For Us", "X_77"]])
        for body in [
            #"{"error":{"message":"that is too much for us"}}"#, #"{"error":{"code":"x_77"}}"#,
            "<p>TOO MUCH for us</p>",
            #"["too much for us"]"#, #"{"detail":"too much for us"}"#, #"{"errors":[{"message":"too much for us"}]}"#,
        ] {
            let failure = Self.failure(Case(status: status, body: body, code: "")).judged(by: phrases)
            #expect(failure.code == codes[kind], "\(body)")
            #expect(failure.isRetryable == (kind == .overloaded || kind == .rateLimited))
        }
        let other = Case(status: status, body: #"{"error":{"message":"something else"}}"#, code: "")
        let before = Self.failure(other)
        #expect(before.judged(by: phrases).code == before.code)
    }

    @Test(
        arguments: [
            ("1s", Duration.seconds(1)), ("6m0s", .seconds(360)), ("20ms", .milliseconds(20)),
            ("7.66s", .milliseconds(7_660)),
            ("1h2m3s", .seconds(3_723)), ("1d", .seconds(86_400)), ("12", .seconds(12)), (" 12 ", .seconds(12)),
            ("0", .zero),
            ("1000000010", .seconds(86_400)), ("99999999999999999999999999999999", .seconds(86_400)),
            ("1970-01-12T13:46:50Z", .seconds(10)), ("1970-01-12T13:46:50.250+00:00", .milliseconds(10_250)),
            ("1960-01-12T13:46:50Z", .zero), ("Mon, 12 Jan 1970 13:46:50 GMT", .seconds(10)),
            ("9999999999999999999999999999h9999999999m", .seconds(86_400)),
            ("", nil), ("-1", nil), ("-1s", nil), ("s", nil), ("1x", nil), ("1e9", nil), ("nan", nil), ("inf", nil),
            (".", nil),
            ("1.2.3s", nil), ("2025-13-45T99:99:99Z", nil), ("\u{0}", nil), ("1 fortnight", nil),
        ] as [(String, Duration?)])
    func waits(_ text: String, _ wait: Duration?) {
        #expect(WaitText.parse(text, now: 1_000_000) == wait)
    }

    @Test(
        arguments: [
            ("Please try again in 7m12.5s. Visit", Duration.milliseconds(432_500)),
            ("Please try again in 20ms.", .milliseconds(20)),
            ("please retry in 45.578569677s.", .milliseconds(45_578)), ("Please retry after 10 seconds.", .seconds(10)),
            ("Try again in 1 hour, 5 minutes and 3 seconds", .seconds(3_903)), ("retry after 30", .seconds(30)),
            ("retry after 30.", .seconds(30)), ("retry after 2030-01-01", nil), ("try again in a while", nil),
            ("try again in ", nil),
            ("try again in 5 elephants", nil), ("no", nil),
        ] as [(String, Duration?)])
    func waitsInSentences(_ text: String, _ wait: Duration?) {
        let found = WaitText.said(in: RefusedText([text]))
        #expect(found.map { $0.milliseconds } == wait.map { $0.milliseconds })
    }

    /// Whatever is sent is read without a trap, and no wait is longer than a day.
    @Test func anything() {
        var random = SystemRandomNumberGenerator()
        let all = (Self.tooLongOnes + Self.creditOnes + Self.limitedOnes).map(\.body)
        for _ in 0..<3_000 {
            var body = Array((all.randomElement(using: &random) ?? "").utf8)
            for _ in 0..<Int.random(in: 1...6, using: &random) where !body.isEmpty {
                let index = Int.random(in: 0..<body.count, using: &random)
                switch Int.random(in: 0..<3, using: &random) {
                case 0: body[index] = .random(in: 0...255, using: &random)
                case 1: body.removeSubrange(index...)
                default: body.insert(contentsOf: "9999999999999999999".utf8, at: index)
                }
            }
            let error = body.withUnsafeBytes { UpstreamError($0, hiding: "k", now: 1e9) }
            for status in [nil, 400, 429, 500] {
                let failure = GatewayFailure.refused(.request, status: status, error)
                #expect((failure.retryAfter ?? .zero) <= .seconds(86_400))
            }
        }
    }
}

extension Duration {
    fileprivate var milliseconds: Int64 { components.seconds * 1_000 + components.attoseconds / 1_000_000_000_000_000 }
}
