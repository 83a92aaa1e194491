import ArgumentParser
import WorkerService

struct RunCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "The daemon: takes jobs until SIGTERM, then drains and exits with 0.",
        discussion: """
            A second SIGTERM ends the drain: what still runs is handed back at once. SIGHUP reads the configuration anew.

            Example:
              chat-worker run --config worker.conf
            """)

    @OptionGroup var options: ConfigurationOptions

    func run() async throws {
        let (found, mistakes) = WorkerConfiguration.examine(path: options.config)
        for mistake in mistakes { Output.error(mistake.description(inFile: options.config)) }
        guard let configuration = found else { throw ExitCode(Exit.configuration) }
        LogOutput.bootstrap(configuration.worker)
        let worker = Worker(configuration: configuration)
        try await Exit.mapping { try await worker.run() }
    }
}
