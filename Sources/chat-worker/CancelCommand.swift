import ArgumentParser
import ChatModel
import JobRunner
import WorkerService

struct CancelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cancel", abstract: "Ends a job, wherever it is: queued, waiting or running.",
        discussion: """
            It writes the cancel to the control stream and cannot see what comes of it. A worker that finds the job ends \
            it with an error of type cancelled, with the text so far. A cancel also counts that was written while no \
            worker ran. Cancelling twice, or a job that is over, does nothing.

            Example:
              chat-worker cancel order-1001 --customer acme --config worker.conf

            --json prints {"id", "customer", "written": true}.
            """)

    @OptionGroup var options: ConfigurationOptions
    @Option(help: ArgumentHelp("Whose job it is: a job is known by customer and id.", valueName: "name"))
    var customer: String
    @Flag(help: "One JSON object.") var json = false
    @Argument(help: ArgumentHelp("The job's id.", valueName: "job")) var job: String

    mutating func validate() throws {
        guard Identifier.isValid(job, maximum: 128) else {
            throw ValidationError("A job is 1 to 128 of A-Z a-z 0-9 _ -")
        }
        guard Identifier.isValid(customer, maximum: 64) else {
            throw ValidationError("--customer is 1 to 64 of A-Z a-z 0-9 _ -")
        }
    }

    func run() async throws {
        let configuration = try options.load()
        try Exit.mapping {
            try JobCanceller.cancel(
                job: job, customer: customer, configuration: try configuration.amqpConfiguration(),
                names: configuration.topologyPlan.names)
        }
        guard json else {
            return Output.print("the cancel of job \(job) of \(customer) is written; a job that is over is not touched")
        }
        let object = JSONValue.object([
            .init("id", .string(job)), .init("customer", .string(customer)), .init("written", .bool(true)),
        ])
        Output.print(String(decoding: object.serialized(), as: UTF8.self))
    }
}
