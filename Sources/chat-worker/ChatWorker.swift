import ArgumentParser
import WorkerService

@main
struct ChatWorker: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "chat-worker",
        abstract: "Chat jobs from RabbitMQ, answers streamed back token by token, results signed to a webhook.",
        discussion: """
            Exit codes: 0 good, 64 usage, 69 something that is needed is unavailable, 70 a bug, 74 the output cannot be \
            written, 78 configuration.
            """,
        version: VersionCommand.text,
        subcommands: [
            RunCommand.self, CheckCommand.self, TopologyCommand.self, SendCommand.self, TailCommand.self,
            CancelCommand.self, ExplainCommand.self, TopCommand.self, DeadCommand.self, WebhooksCommand.self,
            SimulateCommand.self,
            VersionCommand.self,
        ])

    static func main() async {
        StandardDescriptors.secure()
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            end(error)
        }
    }

    /// As `exit(withError:)` does it, but for an output that cannot be written.
    private static func end(_ error: any Error) -> Never {
        let (message, code) = (fullMessage(for: error), exitCode(for: error))
        if !message.isEmpty {
            if code.isSuccess { Output.print(message) } else { Output.error(message) }
        }
        exit(withError: code)
    }
}
