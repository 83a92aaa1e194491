import Foundation
import Testing

@testable import WorkerService

/// `worker.conf` at the root of the tree against what the decoder knows.
@Suite struct ShippedFileTests {
    /// The file is written by the decoder's own tables. After a change of keys:
    /// `UPDATE_WORKER_CONF=1 swift test --filter ShippedFileTests`.
    init() throws {
        guard ProcessInfo.processInfo.environment["UPDATE_WORKER_CONF"] != nil else { return }
        try WorkerConfiguration.reference.write(
            toFile: "\(PackageRoot.path)/worker.conf", atomically: true, encoding: .utf8)
    }

    @Test func isWhatTheKeysSay() throws {
        #expect(try PackageRoot.text(of: "worker.conf") == WorkerConfiguration.reference)
    }

    @Test func hasNoMistakes() throws {
        let configuration = try WorkerConfiguration.load(path: "\(PackageRoot.path)/worker.conf")
        #expect(configuration.ruleMistakes() == [])
    }

    /// Every line `#key = value` shows the default: with all of them switched on, nothing changes.
    @Test func showsTheDefaults() throws {
        let text = try PackageRoot.text(of: "worker.conf")
        let before = try WorkerConfiguration(parsing: text)
        var after = try WorkerConfiguration(parsing: Self.uncommented(text) { !$0.contains("no default") })
        after.source = before.source
        #expect(after == before)
        #expect(Self.uncommented(text) { !$0.contains("no default") } != text)
    }

    @Test func everyKeyStandsInItsTable() throws {
        let text = try PackageRoot.text(of: "worker.conf")
        var shown: Set<[String]> = []
        var table: [String] = []
        for line in text.split(separator: "\n") {
            let bare = line.hasPrefix("#") ? line.dropFirst() : line
            if bare.hasPrefix("[") {
                table = bare.dropFirst().prefix { $0 != "]" }.split(separator: ".").map(String.init)
                let named = [
                    ["gateways"], ["models"], ["profiles"], ["fairness", "customers"], ["budgets", "customers"],
                    ["webhooks", "customers"],
                    ["webhooks", "endpoints"],
                ]
                if let prefix = named.first(where: { table.starts(with: $0) && table.count > $0.count }) {
                    table = prefix + ["NAME"] + (table.last == "errors" ? ["errors"] : [])
                }
            } else if let key = bare.firstMatch(of: #/^([a-z0-9_]+) = /#) {
                shown.insert(table + [String(key.1)])
            }
        }
        let known = Set(WorkerConfiguration.keyNames())
        #expect(known.count >= 80)
        #expect(known.subtracting(shown) == [])
        #expect(shown.subtracting(known) == [])
    }

    /// Also what is shown as an example, and not as a default, is written rightly: only what examples refer to is missing.
    @Test func examplesAreValid() throws {
        let text = Self.uncommented(try PackageRoot.text(of: "worker.conf").replacing("\n#[", with: "\n[")) { _ in true
        }
        let errors = #expect(throws: ConfigurationErrors.self) { try WorkerConfiguration(parsing: text) }
        #expect(try #require(errors).mistakes.map(\.key) == ["jobs.default_gateway"])
    }

    /// The guide's table of session types.
    @Test(
        arguments: [
            ("general", "gpt-4.1", 500, 0.3), ("detailed", "claude-sonnet-4-20250514", 1_500, 0.5),
            ("quick", "gemini-2.5-flash", 300, 0.2), ("technical", "deepseek-v3.2", 2_000, 0.4),
        ] as [(String, String, Int, Double)])
    func hasTheSessionTypes(name: String, model: String, tokens: Int, temperature: Double) throws {
        let configuration = try WorkerConfiguration.load(path: "\(PackageRoot.path)/worker.conf")
        let profile = try #require(configuration.profiles[name])
        #expect(profile.model == model && profile.maximumTokens == tokens && profile.temperature == temperature)
        let route = try #require(configuration.jobRules.models[model])
        #expect(route.gateway == "holysheep" && route.upstreamModel == model && route.price != nil)
    }

    /// Removes the `#` before keys whose comment passes the filter, but not in tables that are comments themselves.
    private static func uncommented(_ text: String, where filter: (_ comment: String) -> Bool) -> String {
        var comment = ""
        var isComment = false
        return text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            if line.hasPrefix("# ") {
                comment += line.dropFirst()
                return String(line)
            }
            defer { comment = "" }
            if line.contains(#/^#?\[/#) { isComment = line.hasPrefix("#") }
            guard !isComment, line.hasPrefix("#"), line.contains(" = "), filter(comment) else { return String(line) }
            return String(line.dropFirst())
        }.joined(separator: "\n")
    }
}
