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
            does by default).

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
            replyQueue: "\(names.prefix).reply.\(customer).send-\(token)")
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

/// One reply as a JSON line: headers and body.
enum ReplyLine {
    static func json(_ delivery: Delivery) -> String {
        let properties = delivery.properties
        let body = (try? JSONValue(parsing: delivery.body)) ?? .null
        var headers: [JSONValue.Member] = []
        for (key, value) in properties.headers {
            switch value {
            case .string(let text): headers.append(.init(key, .string(text)))
            case .int(let number): headers.append(.init(key, .integer(number)))
            default: continue
            }
        }
        let line = JSONValue.object([
            .init("type", .string(properties.type ?? "")), .init("message_id", .string(properties.messageID ?? "")),
            .init("correlation_id", properties.correlationID.map { .string($0) } ?? .null),
            .init("headers", .object(headers)), .init("body", body),
        ])
        return String(decoding: line.serialized(), as: UTF8.self)
    }
}

/// An answer for somebody who watches it come.
struct AnswerView {
    let started: ContinuousClock.Instant
    private var firstText: ContinuousClock.Instant?
    private var messages = 0
    private var endsLine = true

    init(started: ContinuousClock.Instant) { self.started = started }

    mutating func show(_ event: ReplyReader.Event) {
        switch event {
        case .text(let text):
            if firstText == nil { firstText = .now }
            messages += 1
            endsLine = text.hasSuffix("\n")
            Output.print(printable(text), newline: false)
        case .other: messages += 1
        case .reset: note("-- another attempt: the text so far is void --")
        case .completed(let result):
            breakLine()
            Output.print(summary(result))
        case .failed(let body):
            breakLine()
            let error = body["error"]
            let field = error?["param"]?.stringValue.map { " (\(printable($0)))" } ?? ""
            Output.error(
                "chat-worker: \(error?["type"]?.stringValue ?? "error") \(error?["code"]?.stringValue ?? "")\(field): "
                    + printable(error?["message"]?.stringValue ?? ""))
        case .skipped: break
        }
    }

    private mutating func note(_ text: String) {
        breakLine()
        Output.print(text)
    }

    private mutating func breakLine() {
        if !endsLine { Output.print("") }
        endsLine = true
    }

    private func summary(_ result: JSONValue) -> String {
        let end = ContinuousClock.now
        let usage = result["usage"]
        let tokens = usage?["completion_tokens"]?.integerValue ?? 0
        var parts: [String] = []
        if let firstText {
            parts.append("first token after \(seconds(firstText - started))")
            let streaming = (end - firstText) / .seconds(1)
            if streaming > 0 { parts.append("\(Int((Double(tokens) / streaming).rounded())) tokens/s") }
        }
        parts.append("\(tokens) tokens (\(result["job"]?["usage_source"]?.stringValue ?? "?")) in \(messages) messages")
        parts.append("total \(seconds(end - started))")
        if let cost = result["job"]?["cost"]?["amount"]?.doubleValue { parts.append("\(cost) USD") }
        let reason = result["choices"]?.arrayValue?.first?["finish_reason"]?.stringValue ?? "?"
        return "-- \(result["model"]?.stringValue ?? "?"), \(reason): " + parts.joined(separator: ", ")
    }

    private func seconds(_ duration: Duration) -> String {
        let milliseconds = duration / .milliseconds(1)
        return milliseconds < 1_000
            ? "\((milliseconds * 10).rounded() / 10) ms" : "\((milliseconds / 10).rounded() / 100) s"
    }
}
