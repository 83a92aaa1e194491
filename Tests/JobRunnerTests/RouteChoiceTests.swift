import ChatModel
import Gateway
import Testing

@testable import JobRunner

@Suite struct RouteChoiceTests {
    static func failure(_ code: String, isRetryable: Bool = true) -> GatewayFailure {
        GatewayFailure(stage: .request, code: code, message: "m", isRetryable: isRetryable)
    }

    static let down = failure("gateway_unavailable")
    static let limited = failure("gateway_rate_limited")
    static let tooLong = failure("gateway_context_too_long", isRetryable: false)
    static let filtered = failure("gateway_content_filter", isRetryable: false)

    /// A job of `a`, with as many fallbacks, each on a gateway of its own.
    static func choice(
        _ names: String = "abc", on causes: Set<FallbackCause> = Set(FallbackCause.allCases)
    ) throws
        -> RouteChoice
    {
        let models = names.map(String.init)
        var rules = JobRules(
            models: Dictionary(
                uniqueKeysWithValues: models.map { ($0, ModelRoute(gateway: $0, upstreamModel: "m")) }))
        rules.models["a"]?.fallbacks = Array(models.dropFirst())
        rules.models["a"]?.fallbackCauses = causes
        let body = #"{"model":"a","messages":[{}],"job":{"id":"1","customer":"c"}}"#
        return RouteChoice(try JobParser(rules: rules).parse(body: Array(body.utf8), envelope: JobEnvelope()))
    }

    private func gateways(_ choice: RouteChoice) -> String { choice.lane.keys.map(\.gateway).joined() }

    @Test func eachOnceInOrder() throws {
        var choice = try Self.choice()
        #expect(gateways(choice) == "abc")
        choice.chose(choice.lane.keys[0], skipped: nil)
        #expect(choice.cause == nil)
        #expect(choice.failed(Self.down) == .next)
        #expect(gateways(choice) == "bc")
        choice.chose(choice.lane.keys[0], skipped: nil)
        #expect(choice.current == 1 && choice.cause == .unavailable)
        #expect(choice.failed(Self.limited) == .next)
        choice.chose(choice.lane.keys[0], skipped: nil)
        #expect(choice.current == 2 && choice.cause == .unavailable, "why it is not the first")
        #expect(choice.failed(Self.limited) == .judge(Self.limited))
        #expect(gateways(choice) == "abc", "a new round")
    }

    /// A failure that nothing can cure does not hide one that a wait may; and whom it met is not asked again.
    @Test func whatAWaitMayCure() throws {
        var choice = try Self.choice("ab")
        #expect(choice.failed(Self.down) == .next)
        choice.chose(choice.lane.keys[0], skipped: nil)
        #expect(choice.failed(Self.tooLong) == .judge(Self.down))
        #expect(gateways(choice) == "a")
        choice.chose(choice.lane.keys[0], skipped: nil)
        #expect(choice.cause == nil)
        #expect(choice.failed(Self.filtered) == .judge(Self.filtered))
    }

    @Test func skippedOnes() throws {
        var choice = try Self.choice()
        choice.chose(choice.lane.keys[2], skipped: .rateLimited)
        #expect(choice.current == 2 && choice.cause == .rateLimited)
        #expect(choice.failed(Self.down) == .next)
        #expect(gateways(choice) == "ab")
    }

    @Test(arguments: [
        (down, FallbackCause.unavailable), (failure("gateway_connect_timeout"), .unavailable),
        (failure("gateway_first_chunk_timeout"), .unavailable), (failure("gateway_closed"), .unavailable),
        (failure("gateway_closed_going_away"), .unavailable),
        (failure("gateway_tls_untrusted", isRetryable: false), .unavailable),
        (failure("gateway_proxy_refused", isRetryable: false), .unavailable),
        (failure("gateway_unauthorized", isRetryable: false), .unavailable),
        (failure("gateway_forbidden", isRetryable: false), .unavailable), (limited, .rateLimited),
        (failure("gateway_quota_exhausted", isRetryable: false), .outOfCredit), (tooLong, .contextTooLong),
        (filtered, .contentFilter), (failure("gateway_bad_request", isRetryable: false), nil),
        (failure("gateway_not_found", isRetryable: false), .modelGone), (failure("gateway_shutdown"), nil),
    ])
    func byKind(_ failure: GatewayFailure, _ cause: FallbackCause?) throws {
        var all = try Self.choice()
        #expect(all.failed(failure) == (cause == nil ? .judge(failure) : .next))
        var others = try Self.choice(on: Set(FallbackCause.allCases.filter { $0 != cause }))
        #expect(others.failed(failure) == .judge(failure))
    }

    @Test func alone() throws {
        var choice = try Self.choice("a")
        #expect(choice.lane == RouteLane(keys: choice.lane.keys, skipsCooling: false, skipsLimited: false))
        #expect(choice.failed(Self.down) == .judge(Self.down))
    }
}
