import ChaosKit
import JobRunner
import Testing

struct FaultPlanTests {
    @Test func theSeedRepeatsAPlan() {
        #expect(FaultPlan(seed: 7, size: .full) == FaultPlan(seed: 7, size: .full))
        #expect(FaultPlan(seed: 7, size: .full).steps != FaultPlan(seed: 8, size: .full).steps)
        #expect(FaultPlan(seed: 7, size: .quick) == FaultPlan(seed: 7, size: .quick))
    }

    @Test func aFullRunHasEveryFaultAndEnoughOfThem() {
        let steps = FaultPlan(seed: 3, size: .full).steps
        for fault in Fault.all { #expect(steps.count { $0.fault == fault } == fault.timesInFullRun, "\(fault.name)") }
        #expect(steps.reduce(0) { $0 + $1.fault.leastKills } >= 200)
        #expect(steps.count { [.brokerKill, .brokerRestart].contains($0.fault) } >= 20)
    }

    @Test func faultsHaveNames() {
        #expect(Set(Fault.all.map(\.name)).count == Fault.all.count)
        for fault in Fault.all { #expect(Fault.named(fault.name) == [fault]) }
        #expect(Fault.named("kill-burst") == [.killBurst])
        #expect(Fault.named("failpoint:terminal-confirmed") == [.failpoint(.terminalConfirmed)])
        #expect(Fault.named("failpoint").count > 10)
        #expect(Fault.named("nonsense").isEmpty)
    }

    @Test func onlyWhatWasChosen() {
        let plan = FaultPlan(seed: 1, size: .full, only: [.drain, .freeze])
        #expect(Set(plan.steps.map(\.fault)) == [.drain, .freeze])
    }
}
