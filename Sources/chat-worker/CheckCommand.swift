import ArgumentParser
import ChatModel
import WorkerService

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Reads the configuration, names every mistake, then says what it could reach.",
        discussion: """
            Example:
              chat-worker check --config worker.conf

            Exit code 78 where the configuration has a mistake, 69 where broker or gateway cannot be reached, or a key is refused.
            """)

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Do not connect to anything.") var offline = false
    @Flag(help: "One JSON object.") var json = false

    func run() async throws {
        let (configuration, mistakes) = WorkerConfiguration.examine(path: options.config)
        var findings: [WorkerProbe.Finding] = []
        if !offline, let configuration {
            findings = try await Exit.mapping { try await WorkerProbe(configuration: configuration).run() }
        }
        if json { printJSON(mistakes, findings) } else { printText(mistakes, findings) }
        if Self.hasErrors(mistakes) { throw ExitCode(Exit.configuration) }
        if findings.contains(where: { !$0.isReachable }) { throw ExitCode(Exit.unavailable) }
    }

    private static func hasErrors(_ mistakes: [ConfigurationMistake]) -> Bool {
        mistakes.contains { $0.severity == .error }
    }

    private func printText(_ mistakes: [ConfigurationMistake], _ findings: [WorkerProbe.Finding]) {
        for mistake in mistakes { Output.print(mistake.description(inFile: options.config)) }
        let errors = mistakes.count { $0.severity == .error }
        Output.print(
            errors == 0
                ? "\(options.config): good" : "\(options.config): \(errors) mistake\(errors == 1 ? "" : "s")")
        for finding in findings {
            Output.print("\(finding.isReachable ? "ok    " : "FAILED") \(finding.subject): \(finding.detail)")
            if let advice = finding.advice { Output.print("       \(advice)") }
            for note in finding.notes { Output.print("       \(note)") }
        }
        if errors > 0, !offline { Output.print("Nothing was connected to: mend the configuration first.") }
    }

    private func printJSON(_ mistakes: [ConfigurationMistake], _ findings: [WorkerProbe.Finding]) {
        let listed = mistakes.map { mistake in
            JSONValue.object([
                .init("severity", .string(mistake.severity.rawValue)),
                .init("line", mistake.line.map { .integer($0) } ?? .null), .init("key", .string(mistake.key)),
                .init("message", .string(mistake.message)),
            ])
        }
        let reached = findings.map { finding in
            var members: [JSONValue.Member] = [
                .init("subject", .string(finding.subject)), .init("reachable", .bool(finding.isReachable)),
                .init("detail", .string(finding.detail)),
            ]
            if let advice = finding.advice { members.append(.init("advice", .string(advice))) }
            if let file = finding.keyFile { members.append(.init("key_file", .string(file))) }
            if let latency = finding.latency {
                members.append(.init("latency_ms", .integer(Int(latency / .milliseconds(1)))))
            }
            if let models = finding.models { members.append(.init("models", .array(models.map { .string($0) }))) }
            if let version = finding.version {
                members.append(.init("version", .string(version)))
                members.append(.init("notes", .array(finding.notes.map { .string($0) })))
            }
            return JSONValue.object(members)
        }
        let object = JSONValue.object([
            .init("file", .string(options.config)), .init("mistakes", .array(listed)),
            .init("reached", .array(reached)),
        ])
        Output.print(String(decoding: object.serialized(), as: UTF8.self))
    }
}
