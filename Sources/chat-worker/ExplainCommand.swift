import ArgumentParser
import ChatModel
import Glibc
import JobRunner
import WorkerService

struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "Tells the story of a job: its attempts, its end, its webhook, where it is now.",
        discussion: """
            Read from the journal of events and from the dead letters. Queues of jobs are not looked into, since that would \
            count against the jobs in them. Never shows prompts or answers.

            Example:
              chat-worker explain order-1002 --customer alice --config worker.conf

            Where several customers have a job of this id, all are listed, and --customer chooses (exit code 64). A job that \
            left no trace ends with 69, and says how far back the journal reaches.
            """)

    @OptionGroup var options: ConfigurationOptions
    @Argument(help: ArgumentHelp("The job's id.", valueName: "job")) var job: String
    @Option(help: ArgumentHelp("Whose job.", valueName: "customer")) var customer: String?
    @Option(
        help: ArgumentHelp(
            "From when on the journal is read: RFC 3339, so long ago (2h, 7d), or all.", valueName: "time"))
    var since = "1d"
    @Flag(help: "Print it as one JSON object.") var json = false

    mutating func validate() throws {
        guard Identifier.isValid(job, maximum: 128) else { throw ValidationError("this is no job's id.") }
        guard since == "all" || PointInTime.parse(since, now: WallClock.now()) != nil else {
            throw ValidationError("--since is an RFC 3339 instant, a time such as 2h or 7d, or all.")
        }
    }

    func run() async throws {
        let configuration = try options.load()
        let from = since == "all" ? nil : PointInTime.parse(since, now: WallClock.now())
        let history = try Exit.mapping {
            var history = JobHistory(
                job: job, configuration: try configuration.amqpConfiguration(), names: configuration.topologyPlan.names)
            try history.read(since: from, customers: configuration.jobRules.customerSource, progress: Self.progress)
            Self.clearProgress()
            return history
        }
        if let skipped = history.deadLettersSkipped {
            Output.error(
                "chat-worker: there are \(skipped) dead letters, too many to look through here: "
                    + "chat-worker dead list --id \(job)")
        }
        try show(history, from)
    }

    private func show(_ history: JobHistory, _ from: Timestamp?) throws {
        let stories = history.stories.filter { customer == nil || $0.customer == customer }
        guard let story = stories.first else {
            if !history.stories.isEmpty {
                Output.error(
                    "chat-worker: \(customer ?? "") has no job \(job); others have: "
                        + history.stories.map { printable($0.customer) }.joined(separator: ", "))
            }
            Output.print(
                json
                    ? JobStoryRecord.unknown(job, history).line : ExplainText.unknown(job, since: from, history))
            throw ExitCode(Exit.unavailable)
        }
        guard stories.count == 1 else {
            for story in stories {
                Output.print(
                    json
                        ? JobStoryRecord.members(story, history.queues).line
                        : "job \(job) of \(printable(story.customer)): \(story.state)")
            }
            Output.error("chat-worker: \(stories.count) customers have a job \(job): choose with --customer")
            throw ExitCode(Exit.usage)
        }
        if json { return Output.print(JobStoryRecord.members(story, history.queues).line) }
        Output.print(ExplainText.story(story, now: WallClock.now()))
        if case .queued = story.place, story.state != "dead" {
            for line in ExplainText.queues(history.queues) { Output.print(line) }
        }
    }

    /// On a terminal, how far a long journal is read.
    private static func progress(_ count: Int, _ time: Timestamp?) {
        guard isatty(STDERR_FILENO) == 1 else { return }
        say("\r\(count) events" + (time.map { ", up to \($0.rfc3339)" } ?? "") + "\u{1B}[K")
    }

    private static func clearProgress() {
        if isatty(STDERR_FILENO) == 1 { say("\r\u{1B}[K") }
    }

    private static func say(_ text: String) {
        _ = text.withCString { write(STDERR_FILENO, $0, strlen($0)) }
    }
}
