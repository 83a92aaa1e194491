import ChatModel
import Testing

@testable import JobRunner

/// What the journal tells of workers that died, and of jobs that ran there.
@Suite struct DeathRegisterTests {
    private static let now: Int64 = 1_796_040_000_000

    private static func key(_ id: String) -> JobKey { JobKey(customer: "acme", id: id) }

    private static func start(
        _ id: String, _ worker: String, _ attempt: Int64 = 1, suspects: Int = 0, after: Int64 = 0
    ) -> AttemptStart {
        var start = AttemptStart(
            key: key(id), attempt: attempt, began: now + after, gateway: "main", model: "m", price: nil,
            promptTokens: 1, mostTokens: 1)
        (start.worker, start.suspects) = (worker, suspects)
        return start
    }

    private static func record(_ register: DeathRegister, _ id: String, open: [AttemptStart] = []) -> DeathRecord {
        register.record(of: key(id), open: open, besides: "own", now: now + 1_000)
    }

    @Test func anAttemptThatNobodyAccountedForMayHaveKilled() {
        let register = DeathRegister()
        #expect(Self.record(register, "j").deaths == 0)
        let open = [Self.start("j", "w"), Self.start("j", "w", 2), Self.start("j", "v", 1_001, suspects: 1)]
        #expect(Self.record(register, "j", open: open) == DeathRecord(workers: ["w", "v"], unheard: 2, trials: [1]))
        #expect(Self.record(register, "j", open: [Self.start("j", "own")]).deaths == 0, "this worker lives")
        #expect(Self.record(register, "j", open: [Self.start("j", ""), Self.start("j", "", 1_001)]).deaths == 2)
    }

    @Test func aWorkerThatSpeaksLives() {
        var register = DeathRegister()
        register.died(Self.start("j", "w"), now: Self.now)
        register.died(Self.start("j", "w"), now: Self.now)
        let open = [Self.start("j", "v", 1_001)]
        #expect(Self.record(register, "j", open: open) == DeathRecord(workers: ["w", "v"], unheard: 1))
        #expect(Self.record(register, "j").deaths == 1)
        register.lives(Self.key("j"), 1)
        #expect(Self.record(register, "j").deaths == 0)
    }

    /// It is said of each worker in how much company the job was tried there.
    @Test func deathsOnTrialAreTold() {
        var register = DeathRegister()
        register.died(Self.start("j", "crowd"), now: Self.now)
        register.died(Self.start("j", "group", 1_001, suspects: 16), now: Self.now)
        let open = [Self.start("j", "last", 2_001, suspects: 4), Self.start("j", "last", 2_002, suspects: 2)]
        #expect(Self.record(register, "j", open: open).trials == [2, 16])
    }

    /// How wide the window is: as many as have passed since a death that is not explained.
    @Test func aConvictionGivesBackWhatHadPassed() {
        var register = DeathRegister()
        func passed() -> Int { Self.record(register, "j").passed }
        func pass(_ count: Int) {
            for id in 0..<count { register.ended(Self.key("innocent-\(id)"), passed: true) }
        }
        pass(5)
        register.died(Self.start("j", "killed"), now: Self.now)
        #expect(passed() == 0, "it falls back to one")
        pass(30)
        register.ended(Self.key("cleared"), passed: false)
        #expect(passed() == 30)
        #expect(Self.record(register, "j", open: [Self.start("j", "w", 2)]).passed == 0, "it is not clear who is dead")
        register.died(Self.start("poison", "w", suspects: 16), now: Self.now)
        #expect(passed() == 0)
        pass(4)
        register.died(Self.start("poison", "v", 1_001, suspects: 1), now: Self.now)
        register.convicted(Self.key("poison"))
        #expect(passed() == 34)
        register.died(Self.start("innocent", "v"), now: Self.now)
        #expect(passed() == 34, "the cause of that death is known")
        register.died(Self.start("innocent", "u", 1_001), now: Self.now)
        #expect(passed() == 0)
    }

    @Test func whatHasEndedIsForgotten() {
        var register = DeathRegister()
        register.died(Self.start("j", "w"), now: Self.now)
        register.ended(Self.key("j"))
        #expect(Self.record(register, "j").deaths == 0)
    }

    @Test func whatBeganLastIsNearestToTheDeath() {
        var register = DeathRegister()
        for (id, after) in [("a", 0), ("b", 40), ("c", 100)] as [(String, Int64)] {
            register.began(Self.start(id, "w", after: after))
        }
        #expect(Self.record(register, "a", open: [Self.start("a", "w")]).lag == 100)
        #expect(Self.record(register, "c", open: [Self.start("c", "w", after: 100)]).lag == 0)
    }

    @Test func deathsWithoutTheJobSpeakForIt() {
        var register = DeathRegister()
        for worker in ["w", "v", "u"] {
            register.died(Self.start("other", worker, Int64(worker.utf8.first ?? 1)), now: Self.now)
        }
        register.died(Self.start("old", "t", after: -700_000), now: Self.now)
        #expect(Self.record(register, "j", open: [Self.start("j", "w")]).others == 2, "v and u; t is too long ago")
    }

    /// Once the cause is found, nothing speaks against those that merely ran beside it.
    @Test func aConvictionClearsTheOthers() {
        var register = DeathRegister()
        register.died(Self.start("poison", "w"), now: Self.now)
        register.died(Self.start("poison", "v", 1_001, suspects: 1), now: Self.now)
        register.died(Self.start("innocent", "w"), now: Self.now)
        register.died(Self.start("innocent", "u", 2), now: Self.now)
        register.convicted(Self.key("poison"))
        #expect(Self.record(register, "innocent").workers == ["u"])
        #expect(Self.record(register, "poison").deaths == 0, "if it is replayed, it is tried again")
        // The broker's delivery limit proves nothing.
        register.convicted(Self.key("innocent"))
        register.died(Self.start("third", "u"), now: Self.now)
        #expect(Self.record(register, "third").deaths == 1)
    }
}
