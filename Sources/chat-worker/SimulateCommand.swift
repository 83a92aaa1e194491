import ArgumentParser

/// `chat-worker simulate`: the stand-ins used by demo, tests and benchmarks.
struct SimulateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "simulate", abstract: "Stand-ins for the model gateway and for a customer's webhook endpoint.",
        subcommands: [SimulateGatewayCommand.self, SimulateWebhookCommand.self])
}
