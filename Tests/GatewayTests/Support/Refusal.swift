import Gateway
import Testing

/// An HTTP answer that is none, and what it must become: at a WebSocket's upgrade and at a request.
struct Refusal: Sendable, CustomTestStringConvertible {
    var status: String
    var headers: [String] = []
    var body = ""
    var code: String
    var isRetryable = false
    var retryAfter: Duration?
    var upstreamType: String?
    /// The status that the failure tells, where it is not that of the answer.
    var reported: Int?
    var testDescription: String { "\(status) \(headers)" }

    func expect(_ failure: GatewayFailure?, at stage: GatewayFailure.Stage) {
        #expect(failure?.code == code)
        #expect(failure?.stage == stage)
        #expect(failure?.status == reported ?? Int(status.prefix(3)))
        #expect(failure?.isRetryable == isRetryable)
        #expect(failure?.retryAfter == retryAfter)
        #expect(failure?.upstreamType == upstreamType)
        #expect(failure.map { String(describing: $0).contains("sk-test") } == false)
    }

    /// Those that mean the same in both places.
    static let ofBoth = [
        Refusal(status: "403 Forbidden", body: "no", code: "gateway_forbidden"),
        Refusal(status: "404 Not Found", code: "gateway_not_found"),
        Refusal(status: "408 Request Timeout", code: "gateway_timeout", isRetryable: true),
        Refusal(status: "409 Conflict", code: "gateway_conflict", isRetryable: true),
        Refusal(
            status: "429 Too Many Requests", headers: ["Retry-After: 7"],
            body: #"{"error":{"type":"rate_limit_error"}}"#, code: "gateway_rate_limited", isRetryable: true,
            retryAfter: .seconds(7), upstreamType: "rate_limit_error"),
        Refusal(
            status: "429 Too Many Requests", headers: ["retry-after-ms: 1500", "Retry-After: 7"],
            code: "gateway_rate_limited", isRetryable: true, retryAfter: .milliseconds(1500)),
        Refusal(status: "500 Oops", code: "gateway_unavailable", isRetryable: true),
        Refusal(
            status: "503 Service Unavailable", headers: ["Retry-After: 120"],
            body: String(repeating: "x", count: 100_000), code: "gateway_unavailable", isRetryable: true,
            retryAfter: .seconds(120)),
        Refusal(status: "503 Service Unavailable", headers: ["x-should-retry: false"], code: "gateway_unavailable"),
        Refusal(status: "301 Moved", headers: ["Location: http://127.0.0.1:1/"], code: "gateway_redirected"),
        Refusal(status: "307 Moved", headers: ["Location: /x"], code: "gateway_redirected"),
    ]
}
