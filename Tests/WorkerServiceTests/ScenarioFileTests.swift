import Testing

@testable import WorkerService

/// Scenario files of the simulated gateway: read strictly, every mistake with line and key.
@Suite struct ScenarioFileTests {
    struct Case: Sendable {
        var text: String
        var place: String
        var message: String

        init(_ text: String, _ place: String, _ message: String) {
            self.text = text
            self.place = place
            self.message = message
        }
    }

    @Test(arguments: [
        Case("seed = \"x\"", "f:1: seed: ", "must be an integer"),
        Case("tokens = -1", "f:1: tokens: ", "must be 0 to"),
        Case("first_token = 5", "f:1: first_token: ", "has no unit"),
        Case("\nrat = 5", "f:2: rat: ", "did you mean `rate`?"),
        Case("url = 5", "f:1: url: ", "unknown key; known here: seed"),
        Case("percent = 5", "f:1: percent: ", "it belongs into [rules.NAME]"),
        Case("[rules.a]\nmodel = \"m\"", "f:1: rules.a.fault: ", "is missing; write fault ="),
        Case("[rules.\"a b\"]\nfault = \"cut\"", "f:1: rules.\"a b\": ", "a name here has"),
        Case("[rules.a]\nfault = \"cut\"\nrequests = \"3-2\"", "f:3: rules.a.requests: ", "or a range such as"),
        Case("[rules.a]\nfault = \"cut\"\nrequests = 0", "f:3: rules.a.requests: ", "must be a number from 1"),
        Case("[rules.a]\nfault = \"cut\"\npercent = 101", "f:3: rules.a.percent: ", "must be"),
        Case("[rules.a]\nfault = \"boom\"", "f:2: rules.a.fault: ", "what boom?"),
        Case("mix = 5", "f:1: mix: ", "must be a table"),
        Case("[mix]\n\"cut\" = 200", "f:2: mix.cut: ", "0 to 100"),
        Case("[tls]\nkey_file = \"/x\"", "f:1: tls: ", "go together"),
        Case("[tls]\nversion = \"1.0\"", "f:2: tls.version: ", "must be one of"),
        Case("[rules", "f:1: ", " "),
    ])
    func mistakes(_ test: Case) throws {
        let error = #expect(throws: ConfigurationErrors.self) {
            _ = try ScenarioFile(parsing: test.text, path: "f") { file in
                file.rules.filter { $0.fault == "boom" }.map { (["rules", $0.name, "fault"], "what \($0.fault)?") }
            }
        }
        let line = try #require(error?.description)
        #expect(line.hasPrefix(test.place) && line.contains(test.message), "\(line)")
    }

    @Test func everyMistakeIsTold() throws {
        let error = #expect(throws: ConfigurationErrors.self) {
            _ = try ScenarioFile(parsing: "tokens = \"x\"\n[rules.a]\n[mix]\n\"cut\" = \"y\"\n", path: "f")
        }
        #expect(error?.mistakes.map(\.key) == ["tokens", "rules.a.fault", "mix.cut"])
        #expect(error?.mistakes.map(\.line) == [1, 2, 4])
    }

    @Test func everythingIsRead() throws {
        let file = try ScenarioFile(
            parsing: """
                seed = 3
                tokens = 4
                rate = 2.5
                first_token = "20ms"
                close_after_answer = true
                [rules.z]
                model = "m*"
                user = "u"
                text = "t"
                requests = "2-4"
                percent = 12.5
                fault = "cut:5"
                [rules.a]
                fault = "none"
                requests = 7
                [mix]
                "cut:20" = 5
                """, path: "f")
        #expect(file.seed == 3 && file.tokens == 4 && file.rate == 2.5 && file.firstToken == .milliseconds(20))
        #expect(file.closesAfterAnswer == true && file.mix == ["cut:20": 5])
        #expect(file.rules.map(\.name) == ["z", "a"], "in the order of the file")
        let rule = file.rules[0]
        #expect(rule.model == "m*" && rule.user == "u" && rule.text == "t" && rule.requests == 2...4)
        #expect(rule.percent == 12.5 && rule.fault == "cut:5" && file.rules[1].requests == 7...7)
    }

    @Test func theExampleOfTheDocuments() throws {
        let file = try ScenarioFile(parsing: PackageRoot.text(of: "docs/examples/scenario.toml"), path: "f")
        #expect(file.rules.map(\.name) == ["healthy", "overloaded", "magic-word", "nasty-customer", "sometimes"])
        #expect(file.mix.count > 10)
    }
}
