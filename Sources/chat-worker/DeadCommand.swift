import ArgumentParser
import ChatModel
import Glibc
import JobRunner
import WorkerService

struct DeadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dead", abstract: "What gave up: jobs and webhooks in the dead-letter queue.",
        discussion: """
            Example:
              chat-worker dead list --config worker.conf

            Only one at a time sees all of them: what one command holds, another does not find.
            """,
        subcommands: [DeadListCommand.self, DeadShowCommand.self, DeadReplayCommand.self, DeadDropCommand.self])
}

/// Which dead letters, other than by their ids.
struct DeadLetterSelection: ParsableArguments {
    @Option(help: ArgumentHelp("Of this customer.", valueName: "name")) var customer: String?
    @Option(
        help: ArgumentHelp(
            "A code as list shows it, or some words of the whole reason as show prints it.", valueName: "text"))
    var reason: String?
    @Option(help: ArgumentHelp("Dead since then: RFC 3339, or so long ago, as 2h or 7d.", valueName: "time"))
    var since: Instant?
    @Option(help: ArgumentHelp("Dead before then, likewise.", valueName: "time")) var until: Instant?
    @Option(help: ArgumentHelp("job or webhook.", valueName: "kind")) var kind: DeadLetter.Kind?

    func filter(ids: [String]) -> DeadLetterFilter {
        DeadLetterFilter(
            ids: Set(ids), customer: customer, reason: reason, since: since?.timestamp, until: until?.timestamp,
            kind: kind)
    }
}

extension DeadLetter.Kind: ExpressibleByArgument {}

/// A time on the command line: `2026-11-24T08:00:00Z`, or `2h` for two hours ago.
struct Instant: ExpressibleByArgument {
    var timestamp: Timestamp

    init?(argument: String) {
        guard let timestamp = PointInTime.parse(argument, now: WallClock.now()) else { return nil }
        self.timestamp = timestamp
    }
}

/// A question to whoever sits at the terminal.
enum Question {
    static var canBeAsked: Bool { isatty(STDIN_FILENO) == 1 }

    /// Anything but a clear yes is a no.
    static func isAnsweredYes(_ text: String) -> Bool {
        Output.error("\(text) [y/N]")
        return ["y", "yes"].contains(readLine()?.lowercased() ?? "")
    }
}

extension WorkerConfiguration {
    /// Runs `body` with a connection to the dead letters.
    func atDesk<Value>(_ body: (DeadLetterDesk) throws -> Value) throws -> Value {
        let desk = try DeadLetterDesk(
            configuration: try amqpConfiguration(), names: topologyPlan.names, customers: jobRules.customerSource)
        defer { desk.close() }
        return try body(desk)
    }
}
