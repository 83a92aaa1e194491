import ArgumentParser
import WorkerService

struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version", abstract: "Prints the version.",
        discussion: """
            Example:
              chat-worker version
            """)
    static var text: String { WorkerVersion.text }

    @Flag(help: "As JSON.") var json = false

    func run() {
        Output.print(json ? "{\"name\":\"chat-worker\",\"version\":\"\(Self.text)\"}" : "chat-worker \(Self.text)")
    }
}
