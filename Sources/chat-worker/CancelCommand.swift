import ArgumentParser
import ChatModel
import JobRunner
import WorkerService

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Ends a job, wherever it is: queued, waiting or running.",
        discussion: """
            It writes the cancel to the control stream. A worker that finds the job ends it with an error of type \
            cancelled, with the text so far. A cancel also counts that was written while no worker ran. Cancelling twice, \
            or a job that is over, does nothing. With --wait it tells what workers said of the job within that time: \
            cancelled, completed or failed (it came too late), ignored and why, or nothing.

            Example:
              chat-worker cancel order-1001 --customer acme --config worker.conf

            --json prints {"id", "customer", "written": true}, and with --wait "answer" and "reason".
            """)

    @OptionGroup var options: ConfigurationOptions
    @Option(help: ArgumentHelp("Whose job it is: a job is known by customer and id.", valueName: "name"))
    var customer: String
    @Option(help: ArgumentHelp("Seconds to wait for what workers say of it.", valueName: "seconds"))
    var wait: Int?
    @Flag(help: "One JSON object.") var json = false
    @Argument(help: ArgumentHelp("The job's id.", valueName: "job")) var job: String

    mutating func validate() throws {
        guard Identifier.isValid(job, maximum: 128) else {
            throw ValidationError("A job is 1 to 128 of A-Z a-z 0-9 _ -")
        }
        guard Identifier.isValid(customer, maximum: 64) else {
            throw ValidationError("--customer is 1 to 64 of A-Z a-z 0-9 _ -")
        }
        if let wait, !(1...3_600).contains(wait) { throw ValidationError("--wait is 1 to 3600 seconds") }
    }

    func run() async throws {
        let configuration = try options.load()
        let answer = try Exit.mapping {
            try JobCanceller.cancel(
                job: job, customer: customer, configuration: try configuration.amqpConfiguration(),
                names: configuration.topologyPlan.names, wait: wait.map { .seconds($0) })
        }
        guard json else {
            return Output.print("the cancel of job \(job) of \(customer) is written; \(Self.text(answer, wait: wait))")
        }
        var members: [JSONValue.Member] = [
            .init("id", .string(job)), .init("customer", .string(customer)), .init("written", .bool(true)),
        ]
        if wait != nil {
            switch answer {
            case .ended(let outcome): members.append(.init("answer", .string(outcome)))
            case .ignored(let reason):
                members += [.init("answer", .string("ignored")), .init("reason", .string(reason))]
            case .nothing: members.append(.init("answer", .null))
            }
        }
        Output.print(String(decoding: JSONValue.object(members).serialized(), as: UTF8.self))
    }

    private static func text(_ answer: JobCanceller.Answer, wait: Int?) -> String {
        guard let wait else { return "a job that is over is not touched" }
        return switch answer {
        case .ended("cancelled"): "a worker has ended the job as cancelled"
        case .ended(let outcome): "it came too late: the job ended as \(outcome)"
        case .ignored(let reason): "a worker ignored it: \(reason)"
        case .nothing:
            "no worker said anything within \(wait) s: the job is over, or no worker has it (`explain` tells where it is)"
        }
    }
}
