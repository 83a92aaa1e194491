import TestSupport
import Testing

@testable import Webhooks

/// A value that `#expect` may change.
private final class Lanes {
    private var value: EndpointLanes

    init(_ value: EndpointLanes) { self.value = value }

    var fast: Int { value.underWay.fast }
    var slow: Int { value.underWay.slow }

    func arrive(_ ticket: UInt64, at endpoint: EndpointID, now: ContinuousClock.Instant) -> EndpointLanes.Arrival {
        value.arrive(ticket, at: endpoint, now: now)
    }

    func yieldSlot(_ ticket: UInt64, now: ContinuousClock.Instant) -> [EndpointLanes.Action] {
        value.yieldSlot(ticket, now: now)
    }
    func becameSlow(_ ticket: UInt64, now: ContinuousClock.Instant) -> [EndpointLanes.Action] {
        value.becameSlow(ticket, now: now)
    }

    func ended(
        _ ticket: UInt64, _ verdict: CircuitBreaker.Verdict, now: ContinuousClock.Instant
    ) -> (actions: [EndpointLanes.Action], change: CircuitBreaker.State?) {
        value.ended(ticket, verdict, now: now)
    }

    func cancel(_ ticket: UInt64) -> Bool { value.cancel(ticket) }
    func close() -> [UInt64] { value.close() }
    var count: Int { value.laneCount }
}

@Suite struct EndpointLanesTests {
    private static let now = ContinuousClock.now

    /// A customer can name endless URLs that fail; each breaker would be remembered for ever.
    @Test(arguments: [Duration.milliseconds(1), .seconds(1)]) func failingEndpointsAreForgottenInTheEnd(step: Duration)
    {
        let lanes = Lanes(
            EndpointLanes(policy: .init(mostLanes: 2_000, idleTime: .seconds(600), breaker: .init(failures: 1))))
        for ticket in 0..<20_000 as Range<UInt64> {
            let time = Self.now + step * Int(ticket)
            let arrival = lanes.arrive(ticket, at: EndpointID(text: "https://h#\(ticket)"), now: time)
            #expect(arrival == .start)
            _ = lanes.ended(ticket, .failure, now: time)
        }
        #expect(lanes.count <= 2_000)
        // The last ones are known still.
        let last = lanes.arrive(20_000, at: EndpointID(text: "https://h#19999"), now: Self.now + step * 20_000)
        #expect(last != .start)
    }

    @Test func lanesWithPostsAreNeverForgotten() {
        let lanes = Lanes(
            EndpointLanes(policy: .init(concurrency: 5_000, mostLanes: 100, breaker: .init(failures: 1))))
        for ticket in 0..<1_000 as Range<UInt64> {
            _ = lanes.arrive(ticket, at: EndpointID(text: "e\(ticket)"), now: Self.now)
        }
        #expect(lanes.count == 1_000)
        for ticket in 0..<1_000 as Range<UInt64> {
            #expect(lanes.ended(ticket, .failure, now: Self.now).change == .open)
        }
        #expect(lanes.fast == 0)
    }
    private static let good = EndpointID(text: "good")
    private static let bad = EndpointID(text: "bad")

    private static func lanes(
        concurrency: Int = 4, slow: Int = 10, endpoint: Int = 2, waiting: Int = 3, failures: Int = 2
    ) -> Lanes {
        Lanes(
            EndpointLanes(
                policy: .init(
                    concurrency: concurrency, slowConcurrency: slow, endpointConcurrency: endpoint,
                    endpointWaiting: waiting, breaker: .init(failures: failures, openTime: .seconds(10)))))
    }

    @Test func aLaneBeginsWithOneAndGrowsWithEachAnswer() {
        let lanes = Self.lanes()
        let arrivals = (1...5).map { lanes.arrive($0, at: Self.good, now: Self.now) }
        #expect(arrivals == [.start, .wait, .wait, .wait, .away(EndpointLanes.busyWait)])
        #expect(lanes.ended(1, .success, now: Self.now).actions == [.start(2), .start(3)])
        // Two at once is the most for one endpoint.
        #expect(lanes.ended(2, .success, now: Self.now).actions == [.start(4)])
        #expect(lanes.arrive(6, at: Self.good, now: Self.now) == .wait)
        #expect(lanes.fast == 2)
    }

    @Test func lanesTakeTurnsWhereAllSlotsAreTaken() {
        let lanes = Self.lanes(concurrency: 1)
        let first = lanes.arrive(1, at: Self.bad, now: Self.now)
        let others = [lanes.arrive(2, at: Self.bad, now: Self.now), lanes.arrive(3, at: Self.good, now: Self.now)]
        #expect(first == .start && others == [.wait, .wait])
        #expect(lanes.ended(1, .success, now: Self.now).actions == [.start(3)])
        #expect(lanes.ended(3, .success, now: Self.now).actions == [.start(2)])
    }

    @Test func aPostWithoutAnAnswerGivesItsSlotAway() {
        let lanes = Self.lanes(concurrency: 1)
        _ = lanes.arrive(1, at: Self.bad, now: Self.now)
        _ = lanes.arrive(2, at: Self.good, now: Self.now)
        #expect(lanes.yieldSlot(1, now: Self.now) == [.start(2)])
        #expect(lanes.yieldSlot(1, now: Self.now) == [])
        #expect(lanes.fast == 1 && lanes.slow == 1)
        // Its endpoint is no slow one yet: as many wait for it as for any.
        #expect(lanes.arrive(3, at: Self.bad, now: Self.now) == .wait)
        #expect(lanes.arrive(4, at: Self.bad, now: Self.now) == .wait)
        #expect(lanes.becameSlow(1, now: Self.now) == [.away(4, EndpointLanes.busyWait)])
        #expect(lanes.fast == 1 && lanes.slow == 1)
        #expect(lanes.ended(1, .success, now: Self.now).actions == [])
        #expect(lanes.fast == 1 && lanes.slow == 0)
    }

    @Test func aSlowPostGivesItsSlotAway() {
        let lanes = Self.lanes(concurrency: 1)
        _ = lanes.arrive(1, at: Self.bad, now: Self.now)
        _ = lanes.arrive(2, at: Self.good, now: Self.now)
        #expect(lanes.becameSlow(1, now: Self.now) == [.start(2)])
        #expect(lanes.fast == 1 && lanes.slow == 1)
        // Its endpoint still has it: no second one begins there, and one waits at most.
        #expect(lanes.arrive(3, at: Self.bad, now: Self.now) == .wait)
        #expect(lanes.arrive(4, at: Self.bad, now: Self.now) == .away(EndpointLanes.busyWait))
        #expect(lanes.ended(1, .success, now: Self.now).actions == [])
        #expect(lanes.fast == 1 && lanes.slow == 0)
    }

    @Test func whoWaitsAtAnOpenBreakerGoesAwayWithoutATry() {
        let lanes = Self.lanes(failures: 1)
        for ticket in UInt64(1)...3 { _ = lanes.arrive(ticket, at: Self.bad, now: Self.now) }
        let end = lanes.ended(1, .failure, now: Self.now)
        #expect(end.change == .open)
        #expect(end.actions == [.away(2, .seconds(10)), .away(3, .seconds(10))])
        #expect(lanes.arrive(4, at: Self.bad, now: Self.now + .seconds(3)) == .away(.seconds(7)))
        #expect(lanes.arrive(5, at: Self.good, now: Self.now) == .start, "the others do not notice")
        #expect(lanes.arrive(6, at: Self.bad, now: Self.now + .seconds(10)) == .start, "the probe")
        #expect(lanes.arrive(7, at: Self.bad, now: Self.now + .seconds(10)) == .away(.seconds(10)))
        #expect(lanes.ended(6, .success, now: Self.now + .seconds(11)).change == .closed)
    }

    @Test func aFailureTakesALaneBackToOne() {
        let lanes = Self.lanes(failures: 5)
        _ = lanes.arrive(1, at: Self.bad, now: Self.now)
        _ = lanes.ended(1, .success, now: Self.now)
        let arrivals = (2...5).map { lanes.arrive($0, at: Self.bad, now: Self.now) }
        #expect(arrivals == [.start, .start, .wait, .wait])
        #expect(lanes.ended(2, .failure, now: Self.now).actions == [.away(5, EndpointLanes.busyWait)])
        #expect(lanes.ended(3, .success, now: Self.now).actions == [.start(4)])
    }

    @Test func cancelledAndClosed() {
        let lanes = Self.lanes()
        for ticket in UInt64(1)...3 { _ = lanes.arrive(ticket, at: Self.good, now: Self.now) }
        let cancelled = [lanes.cancel(2), lanes.cancel(2), lanes.cancel(1)]
        #expect(cancelled == [true, false, false])
        #expect(lanes.close() == [3])
        #expect(lanes.arrive(9, at: Self.good, now: Self.now) == .refused)
    }

    /// Whatever comes, in whatever order: no limit is passed, nobody is lost, nobody starts twice, and at the end all is
    /// free again.
    @Test(arguments: UInt64(1)...20) func nothingIsLostAndNoLimitPassed(seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        let lanes = Self.lanes(concurrency: 3, slow: 4, endpoint: 2, waiting: 2, failures: 3)
        var now = Self.now
        var running: Set<UInt64> = []
        var waiting: Set<UInt64> = []
        func perform(_ actions: [EndpointLanes.Action]) {
            for action in actions {
                switch action {
                case .start(let ticket):
                    #expect(waiting.remove(ticket) != nil)
                    running.insert(ticket)
                case .away(let ticket, let wait):
                    #expect(waiting.remove(ticket) != nil && wait > .zero)
                }
            }
        }
        for ticket in UInt64(0)..<2_000 {
            now += .milliseconds(Int.random(in: 0...2_000, using: &random))
            switch Int.random(in: 0...4, using: &random) {
            case 0, 1:
                switch lanes.arrive(ticket, at: EndpointID(text: "\(ticket % 5)"), now: now) {
                case .start: running.insert(ticket)
                case .wait: waiting.insert(ticket)
                case .away, .refused: break
                }
            case 2: if let post = running.min() { perform(lanes.becameSlow(post, now: now)) }
            case 3: if let post = running.max() { perform(lanes.yieldSlot(post, now: now)) }
            default:
                if let post = running.randomElement(using: &random) {
                    running.remove(post)
                    let verdict: CircuitBreaker.Verdict =
                        [.success, .failure, .none].randomElement(using: &random) ?? .none
                    perform(lanes.ended(post, verdict, now: now).actions)
                }
            }
            #expect(lanes.fast <= 3 && lanes.slow <= 4)
            #expect(lanes.fast + lanes.slow == running.count)
            for endpoint in UInt64(0)..<5 { #expect(running.count { $0 % 5 == endpoint } <= 2) }
        }
        while let post = running.popFirst() { perform(lanes.ended(post, .success, now: now).actions) }
        #expect(waiting.isEmpty)
        #expect(lanes.fast == 0 && lanes.slow == 0)
    }
}
