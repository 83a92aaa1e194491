import ArgumentParser
import ChatModel
import JobRunner
import WorkerService

struct DeadListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "Lists dead letters, oldest first; takes none away and prints no prompts.",
        discussion: """
            Example:
              chat-worker dead list --reason tries_exhausted --since 7d --config worker.conf

            --json prints an object a line: dead_at, kind, id, customer, reason, stage, tries, size, queue, republished.
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var selection: DeadLetterSelection
    @Option(help: ArgumentHelp("Of this job; a message_id or webhook-id will do as well.", valueName: "id"))
    var id: [String] = []
    @Option(help: ArgumentHelp("At most so many.", valueName: "number")) var limit = 1_000
    @Flag(help: "One JSON object a line.") var json = false

    mutating func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit is 1 or more.") }
    }

    func run() async throws {
        let configuration = try options.load()
        try Exit.mapping { try list(configuration) }
    }

    private func list(_ configuration: WorkerConfiguration) throws {
        let filter = selection.filter(ids: id)
        // Printed when the connection is closed: whoever pages through the output holds no message back.
        var oldest = OldestLetters(limit: limit)
        try configuration.atDesk { desk in
            try desk.walk { letter, _ in
                if filter.matches(letter) { oldest.add(letter) }
                return true
            }
        }
        let letters = oldest.letters
        if json {
            for letter in letters { Output.print(DeadLetterRecord.summary(letter).line) }
        } else if letters.isEmpty {
            Output.print("no dead letters")
        } else {
            Output.print(DeadLetterText.table(letters))
        }
        let more = oldest.count - letters.count
        if more > 0 { Output.error("chat-worker: \(more) more, not as old: raise --limit") }
    }
}
