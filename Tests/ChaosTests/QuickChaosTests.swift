import ChaosKit
import Foundation
import TestSupport
import Testing

/// The short form of `make chaos`: the same driver, the same checker, a few faults. The seed changes from run to run, and
/// is named where something is wrong.
@Suite(.serialized, .timeLimit(.minutes(5))) struct QuickChaosTests {
    @Test func nothingIsLost() async throws {
        let seed = UInt64.random(in: 1...999_999)
        let folder = NSTemporaryDirectory() + "chat-worker-chaos-" + UUID().uuidString.prefix(8)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let plan = FaultPlan(seed: seed, size: .quick)
        let options = ChaosRun.Options(
            plan: plan,
            stage: Stage.Settings(
                broker: "chaos-quick", folder: folder,
                binary: TestBroker.checkout.appending(path: ".build/debug/chat-worker").path, seed: seed))
        let report = try await ChaosRun(options).run()
        let isGood = report.isGood
        #expect(isGood, "scripts/chaos --quick --seed \(seed)\n\(report.text)")
        let (steps, kills, brokerStops) = (report.steps.count, report.kills, report.brokerStops)
        #expect(steps == plan.steps.count && kills >= 4 && brokerStops == 1)
        let completed = report.verdict.counts.completed
        #expect(completed > 50)
    }
}
