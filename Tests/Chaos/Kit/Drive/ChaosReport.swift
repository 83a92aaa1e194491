internal import ChatModel

/// What a run came to, as a table for people and as JSON for programs.
package struct ChaosReport: Sendable {
    package var seed: UInt64
    package var seconds: Double
    /// Workers that died by SIGKILL.
    package var kills: Int
    package var brokerStops: Int
    package var steps: [StepResult]
    package var verdict: Verdict
    private let jobs: [String: JobRecord]

    init(
        seed: UInt64, seconds: Double, kills: Int, brokerStops: Int, steps: [StepResult], verdict: Verdict,
        jobs: [String: JobRecord]
    ) {
        self.seed = seed
        self.seconds = seconds
        self.kills = kills
        self.brokerStops = brokerStops
        self.verdict = verdict
        self.jobs = jobs
        self.steps = steps.map { step in
            var step = step
            step.jobs = jobs.values.count { $0.publishedAt >= step.from && $0.publishedAt <= step.to }
            return step
        }
    }

    package var isGood: Bool { verdict.violations.isEmpty }

    static func seconds(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        return "\(hundredths / 100).\(hundredths % 100 < 10 ? "0" : "")\(hundredths % 100) s"
    }

    // MARK: For people

    package var text: String {
        var lines = [
            Self.row(["fault", "times", "kills", "jobs", "lost", "duplicates", "other", "recovery", "longest"])
        ]
        for name in steps.map(\.fault).withoutRepetition().sorted() { lines.append(row(of: name)) }
        let counts = verdict.counts
        lines += [
            "",
            "\(counts.confirmed) jobs confirmed in \(Self.seconds(seconds)), \(kills) kill -9, \(brokerStops) broker stops:"
                + " \(counts.completed) completed, \(counts.failed) failed, \(counts.refused) refused",
            "\(verdict.violations.count(where: \.isLoss)) lost, "
                + "\(verdict.violations.count(where: \.isDuplicate)) duplicated, "
                + "\(verdict.violations.count { $0.kind == .unexpected }) unexpected, \(counts.recovered) recovered "
                + "(not confirmed, and answered), \(counts.uncertainAbsent) never there (not confirmed)",
            "allowed: \(counts.secondTerminals) further terminals after crashes, \(counts.repeatedMessages) replies and "
                + "\(counts.repeatedWebhooks) webhooks sent again, \(counts.healedGaps) gaps healed by a terminal",
        ]
        lines += violationLines
        lines.append(isGood ? "seed \(seed): no violation" : "seed \(seed): \(verdict.violations.count) VIOLATIONS")
        return lines.joined(separator: "\n")
    }

    /// Two of each kind and fault; the rest is in the JSON.
    private var violationLines: [String] {
        let names = verdict.violations.map { "\($0.kind.rawValue) at \(fault(of: $0) ?? "the end")" }
        return names.withoutRepetition().flatMap { name in
            let same = zip(names, verdict.violations).filter { $0.0 == name }.map(\.1)
            return ["VIOLATION \(name): \(same.count)"] + same.prefix(2).map { "  \($0.job ?? "") \($0.detail)" }
        }
    }

    private func row(of fault: String) -> String {
        let times = steps.filter { $0.fault == fault }
        let recoveries = times.compactMap(\.recovery).sorted()
        let violations = verdict.violations.filter { self.fault(of: $0) == fault }
        let (lost, duplicates) = (violations.count(where: \.isLoss), violations.count(where: \.isDuplicate))
        return Self.row([
            fault, "\(times.count)", "\(times.reduce(0) { $0 + $1.kills })", "\(times.reduce(0) { $0 + $1.jobs })",
            "\(lost)", "\(duplicates)", "\(violations.count - lost - duplicates)",
            recoveries.isEmpty ? "-" : Self.seconds(recoveries[recoveries.count / 2]),
            recoveries.last.map(Self.seconds) ?? "-",
        ])
    }

    /// A loss belongs to the first fault that the job lived through, anything else to the last.
    private func fault(of violation: Violation) -> String? {
        guard let job = violation.job.flatMap({ jobs[$0] }) else {
            return steps.map(\.fault).first { violation.detail.hasSuffix($0) || violation.detail.contains("\($0):") }
        }
        if violation.isLoss { return steps.first { $0.to >= job.publishedAt }?.fault }
        return steps.last { $0.from <= job.lastSeenAt }?.fault
    }

    private static func row(_ cells: [String]) -> String {
        let widths = [26, 6, 6, 7, 5, 11, 6, 10, 10]
        return zip(cells, widths).enumerated().map { index, pair in
            let space = String(repeating: " ", count: max(0, pair.1 - pair.0.count))
            return index == 0 ? pair.0 + space : space + pair.0
        }.joined(separator: " ")
    }

    // MARK: For programs

    package var json: [UInt8] {
        let counts = verdict.counts
        return JSONValue.object([
            .init("seed", .string(String(seed))), .init("good", .bool(isGood)),
            .init("seconds", .number(Self.decimal(seconds))), .init("kills", .integer(kills)),
            .init("broker_stops", .integer(brokerStops)),
            .init(
                "jobs",
                .object([
                    .init("confirmed", .integer(counts.confirmed)), .init("completed", .integer(counts.completed)),
                    .init("failed", .integer(counts.failed)), .init("refused", .integer(counts.refused)),
                    .init("recovered", .integer(counts.recovered)),
                    .init("uncertain_absent", .integer(counts.uncertainAbsent)),
                    .init("second_terminals", .integer(counts.secondTerminals)),
                    .init("repeated_replies", .integer(counts.repeatedMessages)),
                    .init("repeated_webhooks", .integer(counts.repeatedWebhooks)),
                    .init("healed_gaps", .integer(counts.healedGaps)),
                ])),
            .init("steps", .array(steps.map(Self.json))),
            .init("violations", .array(verdict.violations.map(json))),
        ]).serialized()
    }

    private static func json(_ step: StepResult) -> JSONValue {
        .object([
            .init("fault", .string(step.fault)), .init("seed", .string(String(step.seed))),
            .init("from", .number(decimal(step.from))), .init("to", .number(decimal(step.to))),
            .init("recovery", step.recovery.map { .number(decimal($0)) } ?? .null),
            .init("kills", .integer(step.kills)), .init("jobs", .integer(step.jobs)), .init("note", .string(step.note)),
        ])
    }

    private func json(_ violation: Violation) -> JSONValue {
        .object([
            .init("kind", .string(violation.kind.rawValue)),
            .init("job", violation.job.map(JSONValue.string) ?? .null), .init("detail", .string(violation.detail)),
            .init("fault", fault(of: violation).map(JSONValue.string) ?? .null),
            .init("story", violation.job.flatMap { jobs[$0] }.map { .string(JobStory($0).line) } ?? .null),
        ])
    }

    private static func decimal(_ value: Double) -> String { String((value * 1_000).rounded() / 1_000) }
}

extension Sequence where Element: Hashable {
    fileprivate func withoutRepetition() -> [Element] {
        var seen: Set<Element> = []
        return filter { seen.insert($0).inserted }
    }
}
