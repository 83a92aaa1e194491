import ChatModel
import Testing

@testable import Webhooks

extension WebhookTask {
    static func sample(
        target: WebhookTarget = .endpoint("hook"), tries: Int = 0, body: String = #"{"type":"x"}"#
    ) -> WebhookTask {
        WebhookTask(
            id: "msg_1", target: target, customer: "acme", job: "job-1", attempt: 1_000_002,
            eventType: .completed, body: Array(body.utf8), tries: tries, createdAt: 1_700_000_000_000)
    }
}

@Suite struct WebhookDeliveryTests {
    private static let standard = WebhookConfiguration()

    @Test(
        arguments: [
            (.delivered, 0, nil, .delivered),
            (.abandoned, 7, nil, .handBack),
            (.status(410), 0, nil, .dead(.endpointGone)),
            (.status(410), 7, .seconds(5), .dead(.endpointGone)),
            // The schedule.
            (.status(500), 0, nil, .retry(after: .seconds(5))),
            (.status(500), 1, nil, .retry(after: .seconds(300))),
            (.status(500), 2, nil, .retry(after: .seconds(1_800))),
            (.status(500), 3, nil, .retry(after: .seconds(7_200))),
            (.status(500), 4, nil, .retry(after: .seconds(18_000))),
            (.status(500), 5, nil, .retry(after: .seconds(36_000))),
            (.status(500), 6, nil, .retry(after: .seconds(36_000))),
            (.status(500), 7, nil, .dead(.triesExhausted)),
            (.status(500), .max, nil, .dead(.triesExhausted)),
            (.status(500), -1, nil, .retry(after: .zero)),
            (.status(500), -5, nil, .dead(.triesExhausted)),
            // Every failure is tried again.
            (.status(301), 0, nil, .retry(after: .seconds(5))),
            (.status(400), 0, nil, .retry(after: .seconds(5))),
            (.status(404), 0, nil, .retry(after: .seconds(5))),
            (.status(199), 0, nil, .retry(after: .seconds(5))),
            (.refused, 0, nil, .retry(after: .seconds(5))),
            (.dns, 0, nil, .retry(after: .seconds(5))),
            (.connect, 0, nil, .retry(after: .seconds(5))),
            (.tls, 0, nil, .retry(after: .seconds(5))),
            (.closed, 0, nil, .retry(after: .seconds(5))),
            (.invalidResponse, 0, nil, .retry(after: .seconds(5))),
            // Not the endpoint's doing, but it may be.
            (.proxyRefused, 0, nil, .retry(after: .seconds(5))), (.proxyRefused, 7, nil, .dead(.triesExhausted)),
            // Slow down.
            (.timeout, 0, nil, .retry(after: .seconds(60))),
            (.status(429), 0, nil, .retry(after: .seconds(60))),
            (.status(502), 0, nil, .retry(after: .seconds(60))),
            (.status(504), 0, nil, .retry(after: .seconds(60))),
            (.status(503), 0, nil, .retry(after: .seconds(5))),
            (.timeout, 1, nil, .retry(after: .seconds(300))),
            // Retry-After, between the next wait and a day.
            (.status(503), 0, .seconds(1), .retry(after: .seconds(5))),
            (.status(503), 0, .seconds(42), .retry(after: .seconds(42))),
            (.status(429), 0, .seconds(42), .retry(after: .seconds(60))),
            (.status(429), 0, .seconds(90), .retry(after: .seconds(90))),
            (.status(503), 0, .seconds(1_000_000_000), .retry(after: .seconds(86_400))),
            (.status(503), 5, .seconds(10), .retry(after: .seconds(36_000))),
            (.status(503), 7, .seconds(10), .dead(.triesExhausted)),
        ] as [(WebhookOutcome.Kind, Int, Duration?, WebhookDelivery.Decision)])
    func decides(
        kind: WebhookOutcome.Kind, tries: Int, retryAfter: Duration?, decision: WebhookDelivery.Decision
    ) {
        let outcome = WebhookOutcome(kind: kind, retryAfter: retryAfter)
        let decided = WebhookDelivery.decide(
            outcome: outcome, task: .sample(tries: tries), configuration: Self.standard, now: 0,
            random: 0.5)
        #expect(decided == decision)
    }

    /// However few its tries, also where a breaker holds it up; a clock that was set back makes nothing old.
    /// No try is spent; it waits half as long as it is old, between 5 s and 5 min, until it is too old.
    @Test(
        arguments: [
            (0, 5_000), (9_000, 5_000), (60_000, 30_000), (86_400_000, 300_000), (4 * 86_400_000, nil), (-5_000, 5_000),
        ] as [(Int64, Int64?)])
    func whileTheProxyIsAway(age: Int64, wait: Int64?) {
        let task = WebhookTask.sample(tries: 7)
        let decision = WebhookDelivery.decide(
            outcome: WebhookOutcome(kind: .proxyDown), task: task, configuration: Self.standard,
            now: task.createdAt + age, random: 0)
        #expect(decision == wait.map { .postpone(.milliseconds($0)) } ?? .dead(.tooOld))
    }

    @Test(arguments: [(259_200_000, false), (259_200_001, true), (-5, false)] as [(Int64, Bool)])
    func whatIsTooOldIsGivenUp(age: Int64, isTooOld: Bool) {
        var task = WebhookTask.sample()
        task.createdAt = 0
        let decided = WebhookDelivery.decide(
            outcome: WebhookOutcome(kind: .dns), task: task, configuration: Self.standard, now: age, random: 0.5)
        #expect(decided == (isTooOld ? .dead(.tooOld) : .retry(after: .seconds(5))))
        let postponed = WebhookDelivery.postpone(
            task, for: .seconds(10), configuration: Self.standard, now: age, random: 0.5)
        #expect(postponed == (isTooOld ? .dead(.tooOld) : .postpone(.seconds(11))))
    }

    @Test(arguments: [(0.0, 240.0), (0.25, 270), (0.5, 300), (1, 360), (-3, 240), (7, 360)])
    func jitters(random: Double, seconds: Double) throws {
        let decided = WebhookDelivery.decide(
            outcome: WebhookOutcome(kind: .dns), task: .sample(tries: 1), configuration: Self.standard, now: 0,
            random: random)
        guard case .retry(let wait) = decided else {
            Issue.record("no retry")
            return
        }
        #expect(abs(wait / .seconds(1) - seconds) < 0.001)
    }
}

@Suite struct RetryTiersTests {
    @Test(
        arguments: [
            (.zero, nil), (.seconds(-5), nil), (.milliseconds(200), nil), (.milliseconds(300), .seconds(5)),
            (.seconds(4), .seconds(5)), (.seconds(5), .seconds(5)), (.seconds(29), .seconds(5)),
            (.seconds(30), .seconds(30)),
            (.seconds(299), .seconds(30)), (.seconds(86_400), .seconds(36_000)),
        ] as [(Duration, Duration?)])
    func choosesTheLargestThatFits(remaining: Duration, tier: Duration?) {
        #expect(RetryTiers.standard.tier(forRemaining: remaining) == tier)
    }

    @Test(arguments: [
        RetryTiers.standard, RetryTiers([.milliseconds(100)]),
        RetryTiers([.seconds(2), .milliseconds(100), .seconds(2)]),
    ])
    func tiersAddUpToTheWait(tiers: RetryTiers) throws {
        let smallest = try #require(tiers.tiers.first)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            // The smallest alone makes many waits of a long one: a thousand are enough.
            let wait = smallest * Double.random(in: 0...1_000, using: &generator)
            var waited = Duration.zero
            while let tier = tiers.tier(forRemaining: wait - waited) { waited += tier }
            #expect(waited >= wait - tiers.slack && waited < wait + smallest)
        }
    }

    @Test func withoutTiersThereIsNoWait() {
        #expect(RetryTiers([]).tier(forRemaining: .seconds(5)) == nil)
        #expect(RetryTiers([.zero, .seconds(-1), .microseconds(3)]).tiers.isEmpty)
    }
}

@Suite struct RetryAfterTests {
    /// 1994-11-06T08:49:37Z.
    private static let date: Int64 = 784_111_777_000

    @Test(
        arguments: [
            ("0", 0, .zero), ("120", 0, .seconds(120)), ("99999999999999999999", 0, .seconds(1_000_000_000)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Self.date - 90_000, .seconds(90)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Self.date + 90_000, .zero),
            ("Thu, 01 Jan 1970 00:00:10 GMT", 0, .seconds(10)),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400_000 - 1_000, .seconds(1)),
            ("", 0, nil), ("-5", 0, nil), ("+5", 0, nil), ("1.5", 0, nil), ("soon", 0, nil), ("5 s", 0, nil),
            ("Sun, 06 Nov 1994 08:49:37 UTC", 0, nil), ("  120 ", 0, .seconds(120)), ("   ", 0, nil), ("1 2", 0, nil),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Self.date - 90_000, .seconds(90)),
            (" Sun Nov  6 08:49:37 1994\t", Self.date - 90_000, .seconds(90)),
            ("Sun, 32 Nov 1994 08:49:37 GMT", 0, nil), ("Sun, 06 Nom 1994 08:49:37 GMT", 0, nil),
            ("Sun, 06 Nov 1994 25:49:37 GMT", 0, nil), ("Sun, 06 Nov 1994 08:49   GMT", 0, nil),
        ] as [(String, Int64, Duration?)])
    func parses(text: String, now: Int64, wait: Duration?) {
        #expect(RetryAfter.parse(text, now: now) == wait)
    }
}

@Suite struct WebhookTaskTests {
    private static func decode(
        _ headers: [(String, WebhookTask.HeaderValue)], body: [UInt8] = [1]
    ) throws -> WebhookTask {
        let table = Dictionary(headers, uniquingKeysWith: { _, last in last })
        return try WebhookTask(headers: { table[$0] }, body: body)
    }

    @Test(arguments: [
        WebhookTask.sample(),
        .sample(target: .url("https://example.com/x?y=z"), tries: 5).retrying(after: .seconds(9), now: 4),
        .sample().retrying(after: .seconds(9), now: 4).waiting(.seconds(9), in: .seconds(5)),
        WebhookTask(
            id: "msg_2", target: .url("https://[::1]/"), customer: "c", job: "j", attempt: .max, eventType: .cancelled,
            body: [0, 255, 10], tries: 3, createdAt: 1, notBefore: .max,
            trace: TraceContext(traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")),
    ])
    func roundTrips(task: WebhookTask) throws {
        #expect(try Self.decode(task.headers, body: task.body) == task)
    }

    @Test(arguments: WebhookTask.sample().headers.map(\.0)) func refusesAMissingHeader(name: String) {
        let headers = WebhookTask.sample().headers.filter { $0.0 != name }
        // Without either of the two targets it is the URL that is missing.
        let missing = name == WebhookTask.HeaderName.endpoint ? WebhookTask.HeaderName.url : name
        #expect(throws: WebhookTask.MalformedHeader(name: missing)) { try Self.decode(headers) }
    }

    @Test(
        arguments: [
            ("x-webhook-id", .string("")), ("x-webhook-id", .int(5)), ("x-webhook-id", .string("a.b")),
            ("x-webhook-id", .string("a\r\nb")), ("x-webhook-endpoint", .string("a b")),
            ("x-webhook-type", .string("nope")),
            ("x-webhook-tries", .int(-1)), ("x-webhook-tries", .int(.max)), ("x-webhook-tries", .string("1")),
            ("x-attempt", .int(-1)), ("x-not-before", .string("0")), ("x-wait-left", .int(-1)),
            ("x-customer", .string("")),
        ] as [(String, WebhookTask.HeaderValue)])
    func refusesAMalformedHeader(name: String, value: WebhookTask.HeaderValue) {
        let headers = WebhookTask.sample().headers + [(name, value)]
        #expect(throws: WebhookTask.MalformedHeader(name: name)) { try Self.decode(headers) }
    }

    @Test func refusesTwoTargetsAndABadURL() {
        let both = WebhookTask.sample().headers + [("x-webhook-url", .string("https://a.example/"))]
        #expect(throws: WebhookTask.MalformedHeader(name: "x-webhook-url")) { try Self.decode(both) }
        let bad = WebhookTask.sample(target: .url("https://a@b/")).headers
        #expect(throws: WebhookTask.MalformedHeader(name: "x-webhook-url")) { try Self.decode(bad) }
    }

    @Test func waits() {
        let task = WebhookTask.sample().retrying(after: .milliseconds(1_500), now: 1_000)
        #expect(task.tries == 1 && task.notBefore == 2_500)
        #expect(task.remaining(now: 1_000) == .milliseconds(1_500))
        #expect(task.remaining(now: 9_000) == .zero)
        #expect(WebhookTask.sample().remaining(now: 1) == .zero)
    }

    /// The clock was set back while the task waited: what was to be left behind its queue is all that is left.
    @Test func aClockThatIsSetBackStretchesNoWait() {
        let task = WebhookTask.sample().retrying(after: .seconds(40), now: 1_000_000).waiting(
            .seconds(40), in: .seconds(30))
        #expect(task.remaining(now: 1_030_000) == .seconds(10), "no clock was touched")
        #expect(task.remaining(now: 0) == .seconds(10))
        #expect(task.remaining(now: 1_038_000) == .seconds(2), "it stood in the queue for a while")
        let last = task.waiting(.seconds(10), in: .seconds(10))
        #expect(last.remaining(now: 0) == .zero)
        #expect(
            last.retrying(after: .seconds(7), now: 0).remaining(now: 0) == .seconds(7), "the next wait is another one")
    }

    @Test func splicesTheBody() {
        let body = WebhookPayload.body(
            type: .failed, timestamp: "2026-01-02T03:04:05Z", data: Array(#"{"a":"\ud83d\ude00"}"#.utf8))
        #expect(
            String(decoding: body, as: UTF8.self)
                == #"{"type":"chat.completion.failed","timestamp":"2026-01-02T03:04:05Z","data":{"a":"\ud83d\ude00"}}"#)
    }
}
