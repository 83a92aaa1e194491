import Testing

@testable import Gateway

@Suite struct UpstreamErrorTests {
    private static func read(_ text: String) -> UpstreamError {
        Array(text.utf8).withUnsafeBytes { UpstreamError($0, hiding: "sk-secret", now: 1_000_000) }
    }

    struct Case: Sendable {
        var text: String
        var status: Int?
        var type: String?
        var code: String?
        var param: String?
        var wait: Duration?
    }

    @Test(arguments: [
        Case(
            text: #"{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":null}}"#,
            status: 400,
            type: "invalid_request_error", param: "messages"),
        Case(
            text: #"{"error":{"message":"m","type":"tokens","code":"rate_limit_exceeded"}}"#, status: 429,
            type: "tokens", code: "rate_limit_exceeded"),
        Case(text: #"{"error":{"message":"m","code":503}}"#, status: 503, code: "503"),
        Case(text: #"{"error":{"message":"m","code":"404"}}"#, status: 404, code: "404"),
        Case(text: #"{"type":"error","code":"invalid_api_key","message":"m"}"#, status: 401, code: "invalid_api_key"),
        Case(text: #"{"type":"error","code":429,"message":"m"}"#, status: 429, code: "429"),
        Case(
            text: #"{"type":"error","status":529,"error":{"type":"overloaded_error","message":"m"}}"#, status: 529,
            type: "overloaded_error"),
        Case(
            text: #"{"type":"error","status":429,"error":{"type":"rate_limit_error","headers":{"Retry-After":"7"}}}"#,
            status: 429, type: "rate_limit_error", wait: .seconds(7)),
        Case(
            text: #"{"type":"error","status":429,"error":{},"headers":{"retry-after-ms":250}}"#, status: 429,
            wait: .milliseconds(250)),
        Case(text: #"{"error":"out of order"}"#),
        Case(
            text: #"{"error":{"code":"sk-secret is wrong","type":"authentication_error"}}"#, status: 401,
            type: "authentication_error"),
        Case(text: #"{"error":{"code":"a\u0000b"}}"#, code: "a?b"),
        Case(text: #"{"error":{"code":12}}"#, code: "12"),
        Case(text: "not JSON"),
        Case(text: ""),
        Case(text: "[]"),
    ])
    func shapes(_ test: Case) {
        let error = Self.read(test.text)
        #expect(error.status == test.status)
        #expect(error.type == test.type)
        #expect(error.code == test.code)
        #expect(error.param == test.param)
        #expect(error.retryAfter == test.wait)
    }

    @Test func longWordsAreCut() {
        let error = Self.read(#"{"error":{"code":"\#(String(repeating: "x", count: 300))"}}"#)
        #expect(error.code?.count == 128)
    }

    @Test func shouldRetryWins() {
        var error = UpstreamError()
        error.readHeaders(now: 0) { $0 == "x-should-retry" ? "false" : nil }
        #expect(!GatewayFailure.refused(.upgrade, status: 503, error).isRetryable)
        error.readHeaders(now: 0) { $0 == "x-should-retry" ? "true" : nil }
        #expect(GatewayFailure.refused(.upgrade, status: 400, error).isRetryable)
    }

    @Test(arguments: [
        (400, "gateway_bad_request", false), (401, "gateway_unauthorized", false), (403, "gateway_forbidden", false),
        (404, "gateway_not_found", false), (408, "gateway_timeout", true), (409, "gateway_conflict", true),
        (422, "gateway_bad_request", false), (429, "gateway_rate_limited", true), (500, "gateway_unavailable", true),
        (503, "gateway_unavailable", true), (529, "gateway_unavailable", true), (301, "gateway_redirected", false),
        (418, "gateway_error", false), (200, "gateway_error", false),
    ])
    func codes(_ status: Int, _ code: String, _ isRetryable: Bool) {
        let failure = GatewayFailure.refused(.upgrade, status: status, UpstreamError())
        #expect(failure.code == code)
        #expect(failure.isRetryable == isRetryable)
        #expect(failure.status == status)
    }

    @Test(arguments: [
        #"{"error":{"type":"insufficient_quota","code":"insufficient_quota"}}"#,
        #"{"error":{"code":"insufficient_quota","status":429}}"#,
    ])
    func anEmptyAccountIsNoRateLimit(body: String) {
        let failure = GatewayFailure.refused(.upgrade, status: 429, Self.read(body))
        #expect(failure.code == "gateway_quota_exhausted")
        #expect(!failure.isRetryable)
    }

    struct Wait: Sendable {
        var milliseconds: String?
        var header: String?
        var expected: Duration?
    }

    @Test(arguments: [
        Wait(header: "3", expected: .seconds(3)),
        Wait(header: "0", expected: .zero),
        Wait(header: "1.5", expected: .milliseconds(1500)),
        Wait(milliseconds: "40", header: "3", expected: .milliseconds(40)),
        Wait(milliseconds: "x", header: "3", expected: .seconds(3)),
        Wait(header: "99999999999999999999", expected: .seconds(86_400)),
        Wait(header: "-1"),
        Wait(header: "1e9"),
        Wait(header: "nan"),
        Wait(header: "soon"),
        Wait(header: "Mon, 12 Jan 1970 13:46:50 GMT", expected: .seconds(10)),
        Wait(header: "Mon, 12 Jan 1970 13:46:30 GMT", expected: .zero),
        Wait(header: " Monday, 12-Jan-70 13:46:50 GMT ", expected: .seconds(10)),
        Wait(header: "Mon Jan 12 13:46:50 1970", expected: .seconds(10)),
        Wait(header: "  3\t", expected: .seconds(3)),
        Wait(header: "Fri, 31 Dec 9999 23:59:59 GMT", expected: .seconds(86_400)),
        Wait(header: "Mon, 12 Foo 1970 13:46:50 GMT"),
        Wait(header: "Mon, 12 Jan 1970 25:46:50 GMT"),
    ])
    func retryAfter(_ wait: Wait) {
        #expect(
            RetryAfter.parse(milliseconds: wait.milliseconds, header: wait.header, now: 1_000_000) == wait.expected)
    }
}
