import Testing

@testable import WorkerService

/// What a running worker takes of a new file, and what it names as waiting.
@Suite struct ReloadableTests {
    private static let old = """
        [gateways.a]
        url = "wss://a"
        [models.m]
        input_price = 1
        output_price = 1
        [models.n]
        [profiles.p]
        model = "m"
        [profiles.q]
        model = "n"
        """

    struct Case: Sendable, CustomTestStringConvertible {
        var name: String
        var new: String
        /// Begins of the keys that wait.
        var waiting: [String]
        /// Keys that are taken.
        var taken: [String]
        var testDescription: String { name }
    }

    static let cases: [Case] = [
        Case(
            name: "a model and a profile of a new gateway",
            new: """
                [gateways.a]
                url = "wss://a"
                [gateways.b]
                url = "wss://b"
                [models.m]
                gateway = "a"
                input_price = 2
                output_price = 1
                [models.n]
                gateway = "a"
                [models.o]
                gateway = "b"
                [profiles.p]
                model = "n"
                [profiles.q]
                model = "n"
                [profiles.r]
                model = "o"
                """,
            waiting: ["gateways.b", "models.o", "profiles.r"],
            taken: ["models.m.gateway", "models.m.input_price", "models.n.gateway", "profiles.p.model"]),
        Case(
            name: "a model that falls back on a waiting one",
            new: """
                [gateways.a]
                url = "wss://a"
                [gateways.b]
                url = "wss://b"
                [models.m]
                gateway = "a"
                fallbacks = ["o"]
                [models.n]
                gateway = "a"
                [models.o]
                gateway = "b"
                [profiles.p]
                model = "m"
                max_tokens = 5
                """,
            waiting: ["gateways.b", "models.m", "models.o"],
            taken: ["models.n.gateway", "profiles.p.max_tokens", "profiles.q", "profiles.q.model"]),
        Case(
            name: "another gateway in place of the only one, and a new model, which means that",
            new: """
                [gateways.b]
                url = "wss://b"
                [models.m]
                [models.n]
                [models.o]
                [profiles.p]
                model = "m"
                temperature = 0.5
                """,
            waiting: ["gateways.a", "gateways.b", "models.m", "models.o"],
            taken: ["profiles.p.temperature", "profiles.q", "profiles.q.model"]),
        Case(
            name: "a new default gateway",
            new: old.replacing(
                "[models.m]",
                with: "[gateways.b]\nurl = \"wss://b\"\n[jobs]\ndefault_gateway = \"b\"\n[models.m]\ngateway = \"a\""
            )
            .replacing("[models.n]", with: "[models.n]\ngateway = \"a\""),
            waiting: ["gateways.b", "jobs.default_gateway"], taken: ["models.m.gateway", "models.n.gateway"]),
        Case(
            name: "a time that needs another one of the broker's",
            new: old.replacing("model = \"n\"", with: "model = \"m\"")
                + "\n[limits]\ntotal_timeout = \"1h\"\n[broker]\nconsumer_timeout = \"2h\"",
            waiting: ["broker.consumer_timeout", "limits.total_timeout"], taken: ["profiles.q.model"]),
    ]

    @Test(arguments: cases) func takesTheRest(of example: Case) throws {
        let (old, new) = (
            try WorkerConfiguration(parsing: Self.old), try WorkerConfiguration(parsing: example.new)
        )
        let next = try old.reloadable(from: new)
        #expect(next.ruleMistakes().errors.isEmpty)
        let waiting = next.changes(to: new)
        for key in waiting { #expect(example.waiting.contains { key.hasPrefix($0) }, "\(key) should not wait") }
        for start in example.waiting { #expect(waiting.contains { $0.hasPrefix(start) }, "\(start) should wait") }
        #expect(old.changes(to: next) == example.taken)
    }

    /// Also what is a mistake only beside what stays as it was is settled, whatever is combined.
    @Test func everyPairOfFilesSettles() throws {
        let files = try (Self.cases.map(\.new) + [Self.old]).map { try WorkerConfiguration(parsing: $0) }
        for old in files {
            for new in files {
                let next = try old.reloadable(from: new)
                #expect(next.ruleMistakes().errors.isEmpty)
                #expect(next.gateways.keys.sorted() == old.gateways.keys.sorted())
            }
        }
    }
}
