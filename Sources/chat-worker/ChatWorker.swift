import ArgumentParser

@main
struct ChatWorker: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat-worker",
        abstract: "Chat jobs from RabbitMQ, answers streamed back token by token, results signed to a webhook.",
        discussion: """
            Exit codes: 0 good, 64 usage, 69 something that is needed is unavailable, 70 a bug, 78 configuration.
            """,
        version: VersionCommand.text,
        subcommands: [
            RunCommand.self, CheckCommand.self, TopologyCommand.self, SendCommand.self, TailCommand.self,
            CancelCommand.self, ExplainCommand.self, TopCommand.self, DeadCommand.self, WebhooksCommand.self,
            SimulateCommand.self,
            VersionCommand.self,
        ])
}
