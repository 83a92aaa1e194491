import AMQP
import ArgumentParser
import ChatModel
import JobRunner
import WorkerService

struct DeadReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay", abstract: "Puts dead letters back on the queue that they came from.",
        discussion: """
            A job keeps its id and runs again, also where it was cancelled before; a webhook keeps its webhook-id, and its \
            schedule starts anew. Run it with the workers' own login. Nothing is lost if the connection breaks; a \
            message can then be in both places, and it is harmless if it is replayed twice.

            Example:
              chat-worker dead replay --reason tries_exhausted --since 1d --config worker.conf

            --json prints an object a line: what list prints, and action (replayed, would_replay or kept), to, notes.
            """)

    @OptionGroup var options: ConfigurationOptions
    @OptionGroup var selection: DeadLetterSelection
    @Flag(help: "Everything that is there.") var all = false
    @Flag(help: "Only say what would be replayed.") var dryRun = false
    @Flag(help: "Do not ask.") var yes = false
    @Flag(help: "One JSON object a line.") var json = false
    @Argument(help: ArgumentHelp("Jobs' ids; a message_id or webhook-id will do as well.", valueName: "id"))
    var ids: [String] = []

    mutating func validate() throws {
        guard selection.filter(ids: ids).isEmpty == all else {
            throw ValidationError(
                all ? "--all goes alone." : "Name ids, say which by an option, or say --all.")
        }
    }

    func run() async throws {
        let configuration = try options.load()
        try Exit.mapping { try replay(configuration) }
    }

    private func replay(_ configuration: WorkerConfiguration) throws {
        var batch = DeadLetterBatch(filter: selection.filter(ids: ids))
        // What is named one by one needs no question.
        let asks = !dryRun && !yes && ids.isEmpty && Question.canBeAsked
        if dryRun || asks {
            try batch.survey(configuration) { desk, letter in
                let why = desk.obstacle(to: letter)
                say(why == nil ? "would_replay" : "kept", letter, desk, why, configuration)
            }
            if asks, batch.isEmpty || !Question.isAnsweredYes("Replay these \(batch.count)?") {
                return Output.error("chat-worker: nothing was replayed")
            }
        }
        if !dryRun {
            try batch.work(configuration, "replayed") { desk, letter, delivery in
                let why = desk.obstacle(to: letter)
                // Before the first one, so that all are replayed or none where that fails.
                if why == nil, selection.kind != .webhook { try desk.readControlOffset() }
                if why == nil { try desk.replay(letter, delivery) }
                say(why == nil ? "replayed" : "kept", letter, desk, why, configuration)
                return why == nil
            }
        }
        try batch.expectAllFound()
    }

    private func say(
        _ action: String, _ letter: DeadLetter, _ desk: DeadLetterDesk, _ obstacle: DeadLetter.Obstacle?,
        _ configuration: WorkerConfiguration
    ) {
        let queue = obstacle == nil ? desk.destination(of: letter) : nil
        let notes = obstacle.map { ["\($0)"] } ?? notes(letter)
        guard json else {
            let verb = action.replacing("_", with: " ")
            let rest = notes.map { "; \($0)" }.joined()
            return Output.print("\(verb): \(DeadLetterText.name(letter))\(queue.map { " -> \($0)" } ?? "")\(rest)")
        }
        let members: [JSONValue.Member] =
            [.init("action", .string(action))] + DeadLetterRecord.summary(letter) + [
                .init("to", queue.map { .string($0) } ?? .null), .init("notes", .array(notes.map { .string($0) })),
            ]
        Output.print(members.line)
    }

    private func notes(_ letter: DeadLetter) -> [String] {
        var notes: [String] = []
        if letter.isTooLate(now: WallClock.now()) { notes.append("its deadline has passed: it will end at once") }
        if !letter.isOwn {
            notes.append(
                "another login than this one put it here"
                    + " (\(letter.userID.map { printable($0) } ?? "none is said")): what it says to be verified is not")
        }
        return notes
    }
}
