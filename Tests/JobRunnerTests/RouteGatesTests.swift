import Testing

@testable import JobRunner

@Suite struct RouteGatesTests {
    static let a = RouteKey(gateway: "g", model: "a")
    static let b = RouteKey(gateway: "h", model: "b")
    static let both = RouteLane(keys: [a, b])
    static let onlyA = RouteLane(keys: [a], skipsCooling: false, skipsLimited: false)

    @Test func aLimitOfRequests() throws {
        let gates = RouteGates(limits: .init(models: [Self.a: 2], gateways: ["g": 3]))
        let first = try #require(gates.enter(Self.onlyA))
        _ = try #require(gates.enter(Self.onlyA))
        #expect(!gates.isOpen(Self.onlyA) && gates.enter(Self.onlyA) == nil)
        #expect(!gates.isOpen(Self.both), "a model that is busy is waited for, and not passed over")
        var answered = first
        gates.answered(&answered)
        #expect(!gates.isOpen(Self.onlyA), "an answer that has begun is still under way")
        #expect(gates.left(answered, .answered) == .none)
        #expect(gates.isOpen(Self.onlyA))
        let others = RouteLane(keys: [RouteKey(gateway: "g", model: "x")])
        for _ in 0..<2 { _ = try #require(gates.enter(others)) }
        #expect(!gates.isOpen(Self.onlyA), "its gateway is full")
        #expect(gates.enter(Self.onlyA, isForced: true) != nil)
    }

    @Test func aCoolDownIsPassedOverByThoseWhoCan() throws {
        let gates = RouteGates(coolDowns: ["g": CoolDownPolicy(failures: 1, first: .seconds(60))])
        let pass = try #require(gates.enter(Self.both))
        #expect(pass.key == Self.a && pass.skipped == nil)
        #expect(gates.left(pass, .unavailable) == .coolsDown(.seconds(60)))
        let second = try #require(gates.enter(Self.both))
        #expect(second.key == Self.b && second.skipped == .unavailable)
        #expect(gates.enter(RouteLane(keys: [Self.a, Self.b], skipsCooling: false))?.key == Self.a)
        var alone = try #require(gates.enter(Self.onlyA))
        gates.answered(&alone)
        #expect(gates.enter(Self.both)?.key == Self.a, "it works again")
    }

    @Test func aShutGateIsPassedOverByThoseWhoCan() throws {
        let gates = RouteGates()
        let pass = try #require(gates.enter(Self.both))
        let change = gates.left(pass, .limited(retryAfter: .seconds(50)))
        guard case .shut(let time) = change else { throw WrongChange() }
        #expect(time >= .seconds(50))
        #expect(!gates.isOpen(Self.onlyA) && gates.remaining(Self.onlyA) > .seconds(40))
        #expect(!gates.isOpen(RouteLane(keys: [Self.a, Self.b], skipsLimited: false)))
        let second = try #require(gates.enter(Self.both))
        #expect(second.key == Self.b && second.skipped == .rateLimited)
        #expect(gates.remaining(Self.both) == .zero)
        _ = gates.left(second, .limited(retryAfter: .seconds(20)))
        #expect(!gates.isOpen(Self.both), "both are shut")
        #expect(gates.remaining(Self.both) < .seconds(30), "the first that opens is waited for")
    }

    /// What every other request passes, one job alone does not: its 429s stop nobody.
    @Test func aJobThatIsRefusedAlone() throws {
        let gates = RouteGates()
        func ask(_ end: RouteGates.End) throws -> RouteGates.Change {
            let pass = try #require(gates.enter(Self.onlyA, isForced: true))
            return gates.left(pass, end)
        }
        func answered() throws {
            var pass = try #require(gates.enter(Self.onlyA, isForced: true))
            gates.answered(&pass)
            _ = gates.left(pass, .answered)
        }
        guard case .shut = try ask(.limited(retryAfter: .zero)) else { throw WrongChange() }
        let mark = gates.mark
        guard case .shut = try ask(.limited(retryAfter: .zero, since: mark)) else { throw WrongChange() }
        try answered()
        #expect(try ask(.limited(retryAfter: .seconds(60), since: mark)) == .limitedAlone)
        #expect(gates.isOpen(Self.onlyA))
        guard case .shut = try ask(.limited(retryAfter: .seconds(60), since: gates.mark)) else { throw WrongChange() }
        #expect(!gates.isOpen(Self.onlyA), "nobody was answered meanwhile")
    }

    /// An answer to a request that had gone out before says nothing.
    @Test func anEarlierRequestSaysNothing() throws {
        let gates = RouteGates()
        var early = try #require(gates.enter(Self.onlyA))
        let refused = try #require(gates.enter(Self.onlyA))
        _ = gates.left(refused, .limited(retryAfter: .zero))
        let mark = gates.mark
        gates.answered(&early)
        let again = try #require(gates.enter(Self.onlyA, isForced: true))
        guard case .shut = gates.left(again, .limited(retryAfter: .zero, since: mark)) else { throw WrongChange() }
    }

    /// So many were answered that the gate was forgotten.
    @Test func manyAnswersSayTheSame() throws {
        let gates = RouteGates()
        let refused = try #require(gates.enter(Self.onlyA))
        _ = gates.left(refused, .limited(retryAfter: .zero))
        let mark = gates.mark
        for _ in 0..<RateGate.enoughCredit {
            var pass = try #require(gates.enter(Self.onlyA, isForced: true))
            gates.answered(&pass)
            _ = gates.left(pass, .answered)
        }
        #expect(gates.rememberedCount == 0)
        let again = try #require(gates.enter(Self.onlyA))
        #expect(gates.left(again, .limited(retryAfter: nil, since: mark)) == .limitedAlone)
    }

    struct WrongChange: Error {}
}
