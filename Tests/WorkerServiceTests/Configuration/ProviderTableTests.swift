import Foundation
import Testing

@testable import WorkerService

/// The table of providers in `docs/GATEWAYS.md`: what it says to write is accepted.
@Suite struct ProviderTableTests {
    struct Row: Sendable, CustomTestStringConvertible {
        var provider: String
        var lines: [String]
        var testDescription: String { provider }
    }

    /// The rows of the table under "Providers".
    static func rows() throws -> [Row] {
        let section = try PackageRoot.text(of: "docs/GATEWAYS.md").components(separatedBy: "\n## ")
            .first { $0.hasPrefix("Providers\n") }
        return (section ?? "").split(separator: "\n").filter { $0.hasPrefix("| ") }.dropFirst().map { line in
            let cells = line.components(separatedBy: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            return Row(
                provider: cells[1],
                lines: cells[2].components(separatedBy: "<br>").map { $0.trimmingCharacters(in: ["`"]) })
        }
    }

    @Test func hasAllProviders() throws { #expect(try Self.rows().count == 19) }

    @Test(arguments: try rows())
    func isAcceptedByCheck(_ row: Row) throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        let secret = "whsec_" + Data(repeating: 7, count: 32).base64EncodedString()
        try folder.write(secret + "\n", to: "webhook_secret")
        try folder.write("canary-password\n", to: "broker_password")
        let prefix = row.lines.compactMap { $0.firstMatch(of: #/key_prefix = "(.*)"/#)?.1 }.first ?? "sk-"
        try folder.write("\(prefix)canary-0123456789\n", to: "gateway_key")
        let configuration = try WorkerConfiguration(
            parsing: """
                [gateways.main]
                \(row.lines.joined(separator: "\n"))
                [models.m]
                [webhooks]
                secret_files = ["webhook_secret"]

                """)
        let environment = ConfigurationEnvironment(variable: { $0 == "CREDENTIALS_DIRECTORY" ? path : nil })
        #expect(configuration.check(in: environment).map { $0.description(inFile: "w") } == [])
        #expect(configuration.ruleMistakes() == [])
    }
}
