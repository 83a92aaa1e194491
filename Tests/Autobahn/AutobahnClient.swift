internal import ArgumentParser
internal import Foundation
internal import NIOPosix

/// `scripts/autobahn`: plays every case of a fuzzing server of Autobahn|Testsuite, which judges and writes the reports.
@main
struct AutobahnClient: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "autobahn-client",
        abstract: "Plays the cases of a fuzzing server of Autobahn|Testsuite on loopback.")

    @Option(help: "The port of the server.")
    var port = 9001
    @Option(help: "The name in its reports: letters, digits and hyphens.")
    var agent = "chat-worker"

    func run() async throws {
        let answer = try await ask("/getCaseCount?agent=\(agent)", echoes: false)
        guard let count = Int(answer), count > 0 else {
            throw ValidationError("The server did not say how many cases it has.")
        }
        for number in 1...count {
            _ = try await ask("/runCase?case=\(number)&agent=\(agent)", echoes: true)
            if number.isMultiple(of: 25) || number == count { print("\(number) of \(count) cases") }
        }
        _ = try await ask("/updateReports?agent=\(agent)", echoes: false)
    }

    private func ask(_ path: String, echoes: Bool) async throws -> String {
        try await EchoSession.run(
            port: port, path: path, echoes: echoes, on: MultiThreadedEventLoopGroup.singleton.next())
    }
}
