import Testing

@testable import Webhooks

@Suite struct CircuitBreakerTests {
    private static let start = ContinuousClock.now
    private static let policy = CircuitBreaker.Policy(
        failures: 3, openTime: .seconds(10), longestOpenTime: .seconds(30), probes: 1)

    private static func at(_ seconds: Int) -> ContinuousClock.Instant { start + .seconds(seconds) }

    private static func opened() -> CircuitBreaker {
        var breaker = CircuitBreaker(policy: policy)
        for _ in 0..<3 {
            _ = breaker.admit(now: start)
            _ = breaker.ended(.failure, wasProbe: false, now: start)
        }
        return breaker
    }

    @Test func opensAfterFailuresInARowOnly() {
        var breaker = CircuitBreaker(policy: Self.policy)
        var changes: [CircuitBreaker.State?] = []
        for verdict in [CircuitBreaker.Verdict.failure, .failure, .success, .failure, .none, .failure, .failure] {
            let admission = breaker.admit(now: Self.start)
            #expect(admission == .pass)
            changes.append(breaker.ended(verdict, wasProbe: false, now: Self.start))
        }
        #expect(changes == [nil, nil, nil, nil, nil, nil, .open])
        let admission = breaker.admit(now: Self.at(4))
        #expect(admission == .shut(.seconds(6)))
    }

    @Test func letsOneProbeThroughAndClosesWithItsSuccess() {
        var breaker = Self.opened()
        let admissions = [breaker.admit(now: Self.at(10)), breaker.admit(now: Self.at(10))]
        #expect(admissions == [.probe, .shut(.seconds(10))])
        #expect(breaker.state == .halfOpen)
        // One that began before it opened says nothing about the probe.
        let late = breaker.ended(.failure, wasProbe: false, now: Self.at(11))
        #expect(late == nil)
        let change = breaker.ended(.success, wasProbe: true, now: Self.at(12))
        #expect(change == .closed)
        let next = breaker.admit(now: Self.at(12))
        #expect(next == .pass)
    }

    @Test func staysOpenTwiceAsLongWithEachFailedProbeUpToALimit() {
        var breaker = Self.opened()
        var now = 10
        for time in [20, 30, 30] {
            let admission = breaker.admit(now: Self.at(now))
            #expect(admission == .probe)
            let change = breaker.ended(.failure, wasProbe: true, now: Self.at(now))
            #expect(change == .open)
            let shut = breaker.shut(now: Self.at(now))
            #expect(shut == .seconds(time))
            now += time
        }
    }

    @Test func aCutProbeLetsTheNextOneThrough() {
        var breaker = Self.opened()
        _ = breaker.admit(now: Self.at(10))
        let change = breaker.ended(.none, wasProbe: true, now: Self.at(11))
        #expect(change == nil)
        let admission = breaker.admit(now: Self.at(11))
        #expect(admission == .probe)
    }

    @Test func neverOpensWhereItIsTurnedOff() {
        var breaker = CircuitBreaker(policy: .init(failures: 0))
        for _ in 0..<100 { _ = breaker.ended(.failure, wasProbe: false, now: Self.start) }
        let admission = breaker.admit(now: Self.start)
        #expect(admission == .pass)
    }

    @Test(
        arguments: [
            (.delivered, .success), (.status(500), .failure), (.status(429), .failure), (.status(408), .failure),
            (.status(404), .success), (.status(301), .success), (.timeout, .failure), (.connect, .failure),
            (.tls, .failure), (.dns, .failure), (.closed, .failure), (.invalidResponse, .failure), (.refused, .none),
            (.abandoned, .none),
        ] as [(WebhookOutcome.Kind, CircuitBreaker.Verdict)])
    func anyAnswerButOverloadSaysThatItLives(kind: WebhookOutcome.Kind, verdict: CircuitBreaker.Verdict) {
        #expect(WebhookOutcome(kind: kind).verdict == verdict)
    }
}
