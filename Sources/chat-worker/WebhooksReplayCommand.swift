import ArgumentParser
import JobRunner

struct WebhooksReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Puts webhooks that gave up back on their queue, with the same webhook-id.",
        discussion: """
            It is dead replay for webhooks: their schedule starts anew.

            Example:
              chat-worker webhooks replay --failed --since 1d --config worker.conf
            """)

    @OptionGroup var options: ConfigurationOptions
    @Option(help: ArgumentHelp("Of this customer.", valueName: "name")) var customer: String?
    @Option(help: ArgumentHelp("Dead since then: RFC 3339, or so long ago, as 2h or 7d.", valueName: "time"))
    var since: Instant?
    @Option(help: ArgumentHelp("Dead before then, likewise.", valueName: "time")) var until: Instant?
    @Flag(help: "Only those whose tries all failed, and not those of an endpoint that is turned off.") var failed =
        false
    @Flag(help: "Every webhook that is there.") var all = false
    @Flag(help: "Only say what would be replayed.") var dryRun = false
    @Flag(help: "Do not ask.") var yes = false
    @Flag(help: "One JSON object a line.") var json = false

    mutating func validate() throws {
        let isNothingSaid = customer == nil && since == nil && until == nil && !failed
        guard isNothingSaid == all else {
            throw ValidationError(all ? "--all goes alone." : "Say which by an option, or say --all.")
        }
    }

    func run() async throws {
        var command = DeadReplayCommand()
        command.options = options
        command.selection = DeadLetterSelection()
        command.selection.customer = customer
        command.selection.reason = failed ? "tries_exhausted" : nil
        command.selection.since = since
        command.selection.until = until
        command.selection.kind = .webhook
        command.all = false
        command.dryRun = dryRun
        command.yes = yes
        command.json = json
        command.ids = []
        try await command.run()
    }
}
