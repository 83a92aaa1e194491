import ChatModel
import Testing

@testable import JobRunner

/// Jobs name models, any number of them: what is remembered by their names is bounded, and grows old.
@Suite struct ModelNamesTests {
    private static let second: UInt64 = 1_000_000_000

    @Test func oldKeysGo() {
        var memory = KeyMemory<Int>(most: 100, age: 80 * Self.second)
        memory.touch(1, now: 0)
        memory.touch(2, now: 0)
        memory.touch(3, now: 60 * Self.second)
        #expect(memory.stale(now: 80 * Self.second) { _ in false } == [])
        #expect(memory.stale(now: 91 * Self.second) { $0 == 2 } == [1], "what still means something stays")
        memory.forget(2)
        #expect(memory.count == 1)
        #expect(memory.stale(now: 92 * Self.second) { _ in false } == [], "it was looked at a moment ago")
        #expect(memory.stale(now: 200 * Self.second) { _ in false } == [3])
    }

    @Test func tooManyKeysGo() {
        var memory = KeyMemory<Int>(most: 100, age: .max)
        var gone: Set<Int> = []
        for key in 0..<10_000 {
            memory.touch(key, now: UInt64(key))
            gone.formUnion(memory.stale(now: UInt64(key)) { _ in true })
            #expect(memory.count <= 100)
        }
        #expect(gone.count + memory.count == 10_000)
        #expect(!gone.contains(9_999) && gone.contains(0), "the oldest go first")
    }

    @Test func gates() throws {
        let gates = RouteGates()
        for number in 0..<5_000 {
            let lane = RouteLane(keys: [RouteKey(gateway: "g", model: "m\(number)")])
            let pass = try #require(gates.enter(lane))
            _ = gates.left(pass, number % 2 == 0 ? .limited(retryAfter: .seconds(3_600)) : .unavailable)
        }
        #expect(gates.rememberedCount <= RouteGates.mostRemembered)
        #expect(gates.readings(most: 100).count == 100)
        let last = RouteLane(keys: [RouteKey(gateway: "g", model: "m4998")])
        #expect(!gates.isOpen(last), "the newest are remembered")
        // One that is busy is told of before those that nobody asks for.
        let busy = RouteLane(keys: [RouteKey(gateway: "g", model: "zzz")])
        let pass = try #require(gates.enter(busy))
        #expect(gates.readings(most: 3).contains { $0.model == "zzz" && $0.inFlight == 1 })
        var answered = pass
        gates.answered(&answered)
        #expect(gates.left(answered, .answered) == .none)
    }

    @Test func spending() {
        let meter = SpendMeter()
        func charge(_ model: String) {
            let route = ModelRoute(gateway: "g", upstreamModel: model)
            var charge = Charge(nothingUnder: AttemptNumber(), of: route, outcome: .completed)
            charge.usage = TokenUsage(promptTokens: 3, completionTokens: 2, isEstimated: false)
            meter.add(charge)
        }
        for number in 0..<3_000 {
            charge("m\(number)")
            charge("main")
        }
        let all = meter.all
        #expect(all.count == SpendMeter.mostModels + 1)
        #expect(all.last?.model.name == "other")
        #expect(all.reduce(0) { $0 + $1.attempts } == 6_000 && all.reduce(0) { $0 + $1.promptTokens } == 18_000)
        let shown = meter.shown(most: 5)
        #expect(shown.count == 6 && shown.reduce(0) { $0 + $1.completionTokens } == 12_000)
        #expect(shown.first { $0.model.name == "main" }?.attempts == 3_000)
    }
}
