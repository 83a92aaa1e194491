import Foundation
import Testing

@testable import WorkerService

@Suite struct SecretTests {
    let folder: TemporaryFolder
    let environment: ConfigurationEnvironment

    init() throws {
        folder = try TemporaryFolder()
        let path = folder.path
        environment = ConfigurationEnvironment(variable: { name in
            switch name {
            case "CREDENTIALS_DIRECTORY": path
            case "KEY": "sk-from-variable"
            case "EMPTY": ""
            default: nil
            }
        })
    }

    private func read(_ source: SecretSource) throws -> SecretReader.Secret {
        try SecretReader(environment: environment).read(source)
    }

    private func problem(_ source: SecretSource) throws -> SecretReader.Problem {
        try #require(#expect(throws: SecretReader.Problem.self) { try read(source) })
    }

    @Test func readsCredentialsPathsAndVariables() throws {
        let path = try folder.write("sk-from-file\n", to: "gateway_key")
        #expect(try read(SecretSource(file: "gateway_key")).text == "sk-from-file")
        #expect(try read(SecretSource(file: path)).text == "sk-from-file")
        #expect(try read(SecretSource(file: path)).origin == .file(path))
        #expect(try read(SecretSource(environmentVariable: "KEY")).text == "sk-from-variable")
        // The file wins; the variable stands in where there is none.
        #expect(try read(SecretSource(file: path, environmentVariable: "KEY")).text == "sk-from-file")
        #expect(try read(SecretSource(file: "other", environmentVariable: "KEY")).origin == .environment("KEY"))
        // Without systemd a credential's name means nothing.
        let bare = SecretReader(environment: ConfigurationEnvironment())
        let problem = #expect(throws: SecretReader.Problem.self) { try bare.read(SecretSource(file: "gateway_key")) }
        #expect(try #require(problem).message.contains("CREDENTIALS_DIRECTORY is not set"))
    }

    @Test(arguments: [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), (" a ", " a "), ("é\n", "é")] as [(String, String)])
    func trimsOneLineEnd(content: String, secret: String) throws {
        try folder.write(content, to: "s")
        #expect(try read(SecretSource(file: "s")).text == secret)
    }

    @Test(arguments: [
        ("", "is empty"), ("\n", "is empty"), ("canary\nb", "more than one line"), ("canary\u{0}", "control"),
    ])
    func refusesWhatIsNoSecret(content: String, message: String) throws {
        try folder.write(content, to: "s")
        // A broken file is told, and not passed over for the variable.
        let problem = try problem(SecretSource(file: "s", environmentVariable: "KEY"))
        #expect(problem.message.contains(message) && !problem.isMissing && !problem.message.contains("canary"))
    }

    @Test func tellsWhatItLookedFor() throws {
        let missing = try problem(SecretSource(file: "none", environmentVariable: "NOT_SET"))
        #expect(missing.isMissing)
        #expect(missing.message.contains("\(folder.path)/none does not exist"))
        #expect(missing.message.contains("NOT_SET is not set"))
        #expect(try problem(SecretSource(environmentVariable: "EMPTY")).message == "the variable EMPTY is empty")
        #expect(try problem(SecretSource(file: "/etc")).message == "/etc: is a directory")
        #expect(try problem(SecretSource()).isMissing)
        try folder.write(Data([0xFF, 0xFE]), to: "binary")
        #expect(try problem(SecretSource(file: "binary")).message.hasSuffix("does not hold text"))
        try folder.write(String(repeating: "x", count: 70_000), to: "large")
        #expect(try problem(SecretSource(file: "large")).message.hasSuffix("is far too large"))
    }

    @Test func warnsOfOpenFiles() throws {
        try folder.write("a", to: "open", mode: 0o644)
        try folder.write("a", to: "shut", mode: 0o640)
        #expect(try read(SecretSource(file: "open")).warning?.contains("chmod 0600") == true)
        #expect(try read(SecretSource(file: "shut")).warning == nil)
    }
}
