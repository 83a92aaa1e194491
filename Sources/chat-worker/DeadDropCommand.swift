import AMQP
import ArgumentParser
import ChatModel
import JobRunner
import WorkerService

struct DeadDropCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drop", abstract: "Takes dead letters away for good; each one is named.",
        discussion: """
            It asks before it drops; where there is nobody to ask, --yes must be said. With --export each one is on the \
            disk, headers and body, before it is dropped.

            Example:
              chat-worker dead drop --until 30d --export dropped.jsonl --config worker.conf

            --json prints an object a line: what list prints, and action (dropping, would_drop or kept). A line of the \
            export is what show --body --json prints.
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var selection: DeadLetterSelection
    @Option(help: ArgumentHelp("Append each one to this file before it is dropped.", valueName: "file"))
    var export: String?
    @Flag(help: "Do not ask.") var yes = false
    @Flag(help: "One JSON object a line.") var json = false
    @Argument(help: ArgumentHelp("Jobs' ids; a message_id or webhook-id will do as well.", valueName: "id"))
    var ids: [String] = []

    mutating func validate() throws {
        guard !selection.filter(ids: ids).isEmpty else {
            throw ValidationError("Name ids, or say which by an option: nothing is dropped without being named.")
        }
    }

    func run() async throws {
        guard yes || Question.canBeAsked else {
            throw ValidationError("There is nobody to ask: say --yes. `dead list` shows which ones are meant.")
        }
        let configuration = try options.load()
        try Exit.mapping { try drop(configuration) }
    }

    private func drop(_ configuration: WorkerConfiguration) throws {
        var batch = DeadLetterBatch(filter: selection.filter(ids: ids))
        if !yes {
            try batch.survey(configuration) { _, letter in say("would_drop", letter) }
            if batch.isEmpty || !Question.isAnsweredYes("Drop these \(batch.count) for good?") {
                return Output.error("chat-worker: nothing was dropped")
            }
        }
        let file = try export.map { try DeadLetterFile(appendingTo: $0) }
        try batch.work(configuration, "dropped") { desk, letter, delivery in
            if let file {
                guard letter.isWhole else {
                    say("kept", letter, why: "; its body is too large to be exported")
                    return false
                }
                try file.append(letter, delivery)
            }
            // Named first: nobody must wonder what was dropped where the output breaks off.
            say("dropping", letter)
            try desk.drop(delivery)
            return true
        }
        try batch.expectAllFound()
    }

    private func say(_ action: String, _ letter: DeadLetter, why: String = "") {
        guard json else {
            return Output.print("\(action.replacing("_", with: " ")): \(DeadLetterText.name(letter))\(why)")
        }
        let members = [JSONValue.Member("action", .string(action))] + DeadLetterRecord.summary(letter)
        Output.print(members.line)
    }
}
