internal import TestSupport

/// One run: a stage, a plan, and a judgement.
package struct ChaosRun: Sendable {
    package struct Options: Sendable {
        package var plan: FaultPlan
        /// No new fault begins after so long.
        package var limit: Duration?
        /// How long the deployment may take to come back after a fault. Jobs that are tried one at a time take longest.
        package var recoveryLimit = Duration.seconds(120)
        package var stage: Stage.Settings

        package init(plan: FaultPlan, stage: Stage.Settings) {
            self.plan = plan
            self.stage = stage
        }
    }

    private let options: Options
    private let report: @Sendable (String) -> Void

    /// - Parameter report: gets a line for each fault as it is over.
    package init(_ options: Options, report: @escaping @Sendable (String) -> Void = { _ in }) {
        self.options = options
        self.report = report
    }

    package func run() async throws -> ChaosReport {
        let stage = try await Stage(options.stage)
        do {
            return try await run(on: stage)
        } catch {
            await stage.close()
            throw error
        }
    }

    /// RabbitMQ 3.10.8 does not find a stream again that it was killed over within its first second (seen; neither a
    /// restart nor a declaration brings it back), and the broker of a run is a new one.
    private static let settling = Duration.seconds(5)

    private func run(on stage: Stage) async throws -> ChaosReport {
        let injector = Injector(stage)
        var steps: [StepResult] = []
        var violations: [Violation] = []
        try await Task.sleep(for: Self.settling)
        let started = ContinuousClock.now
        for step in options.plan.steps {
            if let limit = options.limit, ContinuousClock.now - started > limit { break }
            try await Task.sleep(for: .milliseconds(Int64(step.pause * 1_000)))
            let result = try await carryOut(step, injector, stage, &violations)
            steps.append(result)
            report(Self.line(result, number: steps.count, of: options.plan.steps.count))
        }
        let end = try await stage.finish()
        await stage.close()
        var history = History()
        history.jobs = stage.ledger.jobs
        history.strangers = stage.ledger.strangers
        history.disturbances = injector.disturbances
        history.transcript = try Transcript.read(stage.transcript)
        (history.leftovers, history.deadLetters) = end
        var verdict = TotalChecker(history).check()
        verdict.violations += violations + injector.violations
        return ChaosReport(
            seed: options.plan.seed, seconds: stage.ledger.now, kills: stage.fleet.kills,
            brokerStops: injector.brokerStops, steps: steps, verdict: verdict, jobs: history.jobs)
    }

    private func carryOut(
        _ step: FaultPlan.Step, _ injector: Injector, _ stage: Stage, _ violations: inout [Violation]
    ) async throws -> StepResult {
        let (from, kills) = (stage.ledger.now, stage.fleet.kills)
        let note: String
        do {
            note = try await injector.inject(step)
        } catch {
            // The run goes on, and is judged; but it has not done what it says.
            note = "\(error)"
            violations.append(Violation(.driverFailed, "\(error), during \(step.fault.name)"))
            try await injector.repair()
        }
        let harmed = stage.ledger.now
        let isRecovered = await stage.ledger.untilSettled(within: options.recoveryLimit)
        let to = stage.ledger.now
        for surprise in stage.fleet.takeSurprises() {
            violations.append(Violation(.workerEnded, "\(surprise), during \(step.fault.name)"))
        }
        if !isRecovered {
            let open = stage.ledger.giveUp()
            violations.append(Violation(.notRecovered, "after \(step.fault.name): \(open.count) jobs are open"))
        }
        injector.recovered()
        return StepResult(
            fault: step.fault.name, seed: step.seed, from: from, to: to, recovery: isRecovered ? to - harmed : nil,
            kills: stage.fleet.kills - kills, note: note)
    }

    private static func line(_ result: StepResult, number: Int, of count: Int) -> String {
        let recovery = result.recovery.map { "recovered after \(ChaosReport.seconds($0))" } ?? "NOT RECOVERED"
        return "\(number)/\(count) at \(ChaosReport.seconds(result.from)): \(result.fault)"
            + (result.note.isEmpty ? "" : " (\(result.note))") + ": \(recovery)"
    }
}
