import AMQP
import ArgumentParser
import ChatModel
import WorkerService

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Follows the replies of a customer, or of one job.",
        discussion: """
            With replies.exchange, or reply queues that are streams, nothing is taken from anybody. A plain reply queue \
            gives each message to one reader only: what tail shows, another reader does not get, so --take must say \
            that you mean it.

            Example:
              chat-worker tail acme --config worker.conf --take
            """)

    @OptionGroup var options: ConfigurationOptions
    @Flag(help: "Take messages off the customer's own reply queue.") var take = false
    @Flag(help: "One JSON line for each reply.") var json = false
    @Option(help: ArgumentHelp("For a job: the customer whose reply queue has it.", valueName: "customer"))
    var customer: String?
    @Option(help: ArgumentHelp("End after so long without a reply, as 90s. Default: never.", valueName: "time"))
    var timeout: Seconds?
    @Argument(help: ArgumentHelp("A customer, or a job.", valueName: "customer|job")) var name: String

    func run() async throws {
        let configuration = try options.load()
        let isStream = configuration.replies.declare == .stream
        guard configuration.replies.exchange != nil || isStream || take else {
            throw ValidationError(
                "This would take messages off the customer's reply queue. Say --take, or set replies.exchange.")
        }
        let queue = configuration.jobRules.replies.defaultQueue(of: customer ?? name)
        try Exit.mapping {
            let broker = try configuration.amqpConfiguration()
            let tail: ReplyTail
            do throws(AMQPError) {
                tail = try ReplyTail(
                    configuration: broker, exchange: configuration.replies.exchange, queue: queue,
                    isStream: isStream, name: name)
            } catch  where error.replyCode == 404 {
                Output.error(missing(configuration.replies.exchange, queue))
                throw ExitCode(Exit.unavailable)
            }
            defer { tail.close() }
            try follow(tail)
        }
    }

    /// What to do where there is nothing to follow yet.
    private func missing(_ exchange: String?, _ queue: String?) -> String {
        if let exchange { return "chat-worker: there is no exchange \(exchange) yet: start a worker once" }
        let hint = customer == nil ? "; where \(name) is a job, name its --customer" : ""
        return "chat-worker: there is no reply queue \(queue ?? ""): its reader makes it, or the worker with "
            + "replies.declare" + hint
    }

    private func follow(_ tail: ReplyTail) throws {
        var answers = AnswersView()
        var quietSince = ContinuousClock.now
        while timeout.map({ ContinuousClock.now - quietSince < $0.duration }) ?? true {
            guard let delivery = try tail.receive(timeout: .seconds(1)) else { continue }
            quietSince = .now
            if json {
                Output.print(ReplyLine.json(delivery))
            } else {
                answers.show(delivery)
            }
        }
    }
}
