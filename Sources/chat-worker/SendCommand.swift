import AMQP
import ArgumentParser
import ChatModel
import JobRunner
import WorkerService

struct SendCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "send", abstract: "Puts one job on the broker and shows its answer as it streams.",
        discussion: """
            The answer goes to an exclusive queue PREFIX.reply.CUSTOMER.send-XXXXXXXX, which replies.allow must permit (it
            does by default), or, if the login may not declare that, comes by RabbitMQ's direct reply-to.

            Example:
              chat-worker send --config worker.conf --customer acme --profile quick "What is a message queue?"
            """)

    @OptionGroup var options: ConfigurationOptions
    @Option(help: "The customer who asks.") var customer = "demo"
    @Option(help: ArgumentHelp("A [profiles.NAME] of the configuration.", valueName: "name")) var profile: String?
    @Option(help: "The model; wins over the profile's.") var model: String?
    @Option(help: ArgumentHelp("The job's id. Default: a random one.", valueName: "id")) var job: String?
    @Option(help: ArgumentHelp("Where the result is posted, or an endpoint's name.", valueName: "URL|NAME"))
    var webhook: String?
    @Option(help: ArgumentHelp("A system message before the question.", valueName: "text")) var system: String?
    @Option(help: ArgumentHelp("high, normal or low.", valueName: "level")) var priority = "normal"
    @Option(help: ArgumentHelp("How long to wait without any reply, as 90s or 2m.", valueName: "time"))
    var timeout = Seconds(60)
    @Flag(help: "One JSON line for each reply, nothing else.") var json = false
    @Argument(help: "The question.") var text: String

    mutating func validate() throws {
        guard ["high", "normal", "low"].contains(priority) else {
            throw ValidationError("--priority is high, normal or low.")
        }
        // A worker that cannot read who asks has nobody to answer: this command would wait in vain.
        guard Self.isName(customer, maximum: 64) else {
            throw ValidationError("--customer is 1 to 64 of A-Z a-z 0-9 _ -")
        }
        guard job.map({ Self.isName($0, maximum: 128) }) ?? true else {
            throw ValidationError("--job is 1 to 128 of A-Z a-z 0-9 _ -")
        }
    }

    private static func isName(_ text: String, maximum: Int) -> Bool {
        (1...maximum).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D: true
                default: false
                }
            }
    }

    func run() async throws {
        let configuration = try options.load()
        guard profile != nil || model != nil || configuration.profiles["general"] != nil else {
            throw ValidationError("Name a --model or a --profile: the configuration has no [profiles.general].")
        }
        try Exit.mapping { try send(configuration) }
    }

    private func send(_ configuration: WorkerConfiguration) throws {
        let names = configuration.topologyPlan.names
        let token = String(UInt32.random(in: .min ... .max), radix: 16)
        let sender = try JobSender(
            configuration: try configuration.amqpConfiguration(), names: names,
            replyQueue: "\(names.prefix).reply.\(customer).send-\(token)",
            allowsDirectReplies: configuration.replies.allowsDirectReplyTo)
        defer { sender.close() }
        let id = job ?? "send-\(token)-\(String(UInt32.random(in: .min ... .max), radix: 16))"
        let started = ContinuousClock.now
        do {
            try sender.send(
                JobSender.Question(
                    text: text, system: system, customer: customer, job: id, model: model,
                    profile: profile ?? (model == nil ? "general" : nil), webhook: webhook),
                routingKey: priority == "normal" ? "jobs" : "jobs.\(priority)")
        } catch let error as AMQPError where error.replyCode == 404 {
            // No exchange: nobody has declared anything on this broker yet.
            throw JobSender.Failure.notRouted(exchange: names.intake)
        }
        if !json { Output.print("job \(id) of \(customer) is queued") }
        try follow(sender, since: started)
    }

    private func follow(_ sender: JobSender, since started: ContinuousClock.Instant) throws {
        var reader = ReplyReader()
        var view = AnswerView(started: started)
        while let delivery = try sender.receive(timeout: timeout.duration) {
            let event = reader.take(delivery)
            if json {
                Output.print(ReplyLine.json(delivery))
            } else {
                view.show(event)
            }
            switch event {
            case .completed: return
            case .failed: throw ExitCode(Exit.unavailable)
            default: continue
            }
        }
        Output.error("chat-worker: no reply for \(timeout); the job is safe in its queue: is a worker running?")
        throw ExitCode(Exit.unavailable)
    }
}
