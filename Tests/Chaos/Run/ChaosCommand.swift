internal import ArgumentParser
internal import ChaosKit
internal import Foundation
internal import TestSupport

/// `scripts/chaos`: harm after harm to a deployment of its own, and proof that nothing was lost.
@main
struct ChaosCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chaos",
        abstract: "Does harm to a deployment, one fault after the other, and judges whether anything was lost.",
        discussion: "The exit code is 0 where no promise was broken, else 1.")

    @Option(help: "Repeats a plan. Default: a new one, which is printed.")
    var seed: UInt64?
    @Option(help: ArgumentHelp("Begin no fault after so many minutes.", valueName: "n"))
    var minutes: Double?
    @Option(help: ArgumentHelp("Only these, with commas; --list names them.", valueName: "names"))
    var faults: String?
    @Flag(help: "The few faults that the test suite has.")
    var quick = false
    @Flag(help: "Every fault once.")
    var once = false
    @Flag(help: "Name the faults and end.")
    var list = false
    @Option(help: ArgumentHelp("Folder for logs, transcript and report.json.", valueName: "folder"))
    var folder = TestBroker.checkout.appending(path: ".build/chaos").path

    func run() async throws {
        if list { return Self.say(Fault.all.map { "\($0.timesInFullRun)x \($0.name)" }.joined(separator: "\n")) }
        let seed = seed ?? .random(in: 1...999_999)
        let plan = FaultPlan(seed: seed, size: quick ? .quick : once ? .once : .full, only: try chosen())
        guard !plan.steps.isEmpty else { throw ValidationError("The plan has no fault.") }
        Self.say("seed \(seed): \(plan.steps.count) faults")
        var options = ChaosRun.Options(
            plan: plan,
            stage: Stage.Settings(
                broker: "chaos", folder: folder,
                binary: TestBroker.checkout.appending(path: ".build/debug/chat-worker").path, seed: seed))
        options.limit = minutes.map { .milliseconds(Int64($0 * 60_000)) }
        let report = try await ChaosRun(options) { Self.say($0) }.run()
        try Data(report.json + [0x0A]).write(to: URL(filePath: "\(folder)/report.json"))
        Self.say("\n" + report.text + "\nreport: \(folder)/report.json")
        if !report.isGood { throw ExitCode.failure }
    }

    /// At once, also into a file or a pipe.
    private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    private func chosen() throws -> [Fault] {
        try (faults ?? "").split(separator: ",").flatMap { name in
            let found = Fault.named(String(name))
            guard !found.isEmpty else { throw ValidationError("There is no fault \(name); --list names them.") }
            return found
        }
    }
}
