import Gateway

extension HostileScript {
    static let statuses: [String: HostileScript] = [
        "status-000": refusal("000 Odd"),
        "status-099": refusal("099 Odd"),
        "status-101": HostileScript { peer, _ in
            try await peer.readAnyRequest()
            try await peer.send(Array("HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: Upgrade\r\n\r\nzzz".utf8))
            await peer.waitForEnd()
        },
        "status-999": refusal("999 Odd"),
        "status-200-json": refusal("200 OK", json, #"{"object":"chat.completion","choices":[]}"#),
        "status-200-html": refusal("200 OK", ["Content-Type: text/html"], "<html>"),
        "status-200-gzip": refusal(
            "200 OK", ["Content-Type: text/event-stream", "Content-Encoding: gzip"], "\u{1F}\u{8B}"),
        "status-200-error": refusal("200 OK", json, #"{"error":{"type":"overloaded_error","message":"sk-test"}}"#),
        "status-301": refusal("301 Moved Permanently", ["Location: http://127.0.0.1:1/"]),
        "status-307": refusal("307 Temporary Redirect", ["Location: /elsewhere"]),
        "status-400": refusal("400 Bad Request", json, #"{"error":{"type":"invalid_request_error"}}"#),
        "status-400-filter": refusal(
            "400 Bad Request", json, #"{"error":{"code":"content_filter","message":"sk-test-0123456789"}}"#),
        "status-401": refusal("401 Unauthorized", json, #"{"error":{"message":"sk-test-0123456789 is wrong"}}"#),
        "status-400-too-long": refusal(
            "400 Bad Request", json,
            #"[{"error":{"code":400,"message":"The input token count (461428) exceeds the maximum number of tokens allowed (131072).","status":"INVALID_ARGUMENT"}}]"#
        ),
        "status-402": refusal("402 Payment Required", json, #"{"error":{"message":"Insufficient Balance sk-test"}}"#),
        "status-403-credit": refusal(
            "403 Forbidden", json, #"{"error":{"type":"exceeded_current_quota_error","message":"sk-test-0123456789"}}"#),
        "status-410": refusal("410 Gone"),
        "status-403": refusal("403 Forbidden", [], "sk-test-0123456789"),
        "status-403-filter": refusal(
            "403 Forbidden", json, #"{"code":"x","error":"Content violates usage guidelines: sk-test-0123456789"}"#),
        "status-404": refusal("404 Not Found"),
        "status-408": refusal("408 Request Timeout"),
        "status-409": refusal("409 Conflict"),
        "status-413": refusal("413 Content Too Large"),
        "status-418": refusal("418 I'm a teapot"),
        "status-418-phrase": HostileScript(change: { $0.errorPhrases = wallet }) { peer, _ in
            try await peer.readAnyRequest()
            try await peer.answer("418 X", headers: [], body: "<p>Your Wallet is empty</p>")
            await peer.waitForEnd()
        },
        "status-429": refusal("429 Too Many Requests"),
        "status-429-after": refusal("429 Too Many Requests", ["Retry-After: 7"], after: .seconds(7)),
        "status-429-after-ms": refusal(
            "429 Too Many Requests", ["retry-after-ms: 1500", "Retry-After: 7"], after: .milliseconds(1500)),
        "status-429-quota": refusal("429 Too Many Requests", json, #"{"error":{"code":"insufficient_quota"}}"#),
        "status-429-too-large": refusal(
            "429 Too Many Requests", json,
            #"{"error":{"message":"Request too large for m on tokens per min (TPM): Limit 30000, Requested 342389.","type":"tokens","code":"rate_limit_exceeded"}}"#
        ),
        "status-429-body": refusal(
            "429 Too Many Requests", json,
            #"[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"39s"}]}}]"#,
            after: .seconds(39)),
        "status-429-sentence": refusal(
            "429 Too Many Requests", json, #"{"error":{"message":"Please try again in 7m12.5s."}}"#,
            after: .milliseconds(432_500)),
        "status-429-reset": refusal(
            "429 Too Many Requests",
            [
                "x-ratelimit-remaining-requests: 7", "x-ratelimit-reset-requests: 6m0s",
                "x-ratelimit-remaining-tokens: 0", "x-ratelimit-reset-tokens: 7.66s",
            ], after: .milliseconds(7_660)),
        "status-429-day": refusal(
            "429 Too Many Requests", json,
            #"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]},{"retryDelay":"36s"}]}}"#
        ),
        "status-429-no-end": HostileScript(retryAfter: .seconds(9), change: { $0.connectTimeout = .seconds(1) }) {
            peer, _ in
            try await peer.readAnyRequest()
            try await peer.send(Array("HTTP/1.1 429 X\r\nContent-Length: 100\r\nRetry-After: 9\r\n\r\n{".utf8))
            await peer.waitForEnd()
        },
        "status-500": refusal("500 Internal Server Error"),
        "status-502": refusal("502 Bad Gateway"),
        "status-503-after": refusal(
            "503 Service Unavailable", ["Retry-After: 120"], String(repeating: "x", count: 100_000),
            after: .seconds(120)),
        "status-503-no-retry": refusal("503 Service Unavailable", ["x-should-retry: false"]),
        "status-529": refusal("529 Overloaded"),
    ]

    private static let wallet = ErrorPhrases([.outOfCredit: ["wallet is empty"]])
    private static let json = ["Content-Type: application/json"]

    /// An answer to the upgrade, or to the request, that is none.
    static func refusal(
        _ status: String, _ headers: [String] = [], _ body: String = "", after: Duration? = nil
    ) -> HostileScript {
        HostileScript(retryAfter: after) { peer, _ in
            try await peer.readAnyRequest()
            try await peer.answer(status, headers: headers, body: body)
            await peer.waitForEnd()
        }
    }

    static let errors: [String: HostileScript] = [
        "error-nested": message(#"{"error":{"message":"sk-test-0123456789","type":"server_error"}}"#),
        "error-flat": message(#"{"type":"error","code":"context_length_exceeded","message":"x"}"#),
        "error-typed": message(
            #"{"type":"error","status":429,"error":{"type":"x","headers":{"retry-after":"7"}}}"#, after: .seconds(7)),
        "error-text": message(#"{"error":"out of memory"}"#),
        "error-quota": message(#"{"error":{"type":"insufficient_quota","message":"x"}}"#),
        "error-content-filter": message(#"{"error":{"code":"content_filter","type":null,"message":"x"}}"#),
        "error-object": message(
            #"{"object":"error","message":"The input (9 tokens) is longer than the model's context length (8 tokens).","code":400}"#
        ),
        "error-list": message(#"[{"error":{"code":503,"message":"x","status":"UNAVAILABLE"}}]"#),
        "error-credit": message(#"{"error":{"message":"Insufficient Balance","code":402}}"#),
        "error-phrase": HostileScript(change: { $0.errorPhrases = wallet }) { peer, _ in
            try await peer.open()
            _ = try await peer.readRequest()
            try await peer.send(#"{"error":"the wallet is empty"}"#)
            await peer.waitForEnd()
        },
        "error-in-mid-answer": begun { peer, _ in
            try await peer.send(#"{"error":{"message":"sk-test-0123456789","type":"server_error"}}"#)
            await peer.waitForEnd()
        },
        "error-after-the-finish": begun(text: "a") { peer, _ in
            try await peer.send(AnswerText.finish(), #"{"error":{"type":"server_error"}}"#)
            await peer.waitForEnd()
        },
    ]

    /// The first message after the request.
    static func message(_ text: String, after: Duration? = nil) -> HostileScript {
        HostileScript(retryAfter: after) { peer, _ in
            try await peer.open()
            _ = try await peer.readRequest()
            try await peer.send(text)
            await peer.waitForEnd()
        }
    }
}
