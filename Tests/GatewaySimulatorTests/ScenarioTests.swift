import ChatModel
import NIOCore
import NIOSSL
import Testing

@testable import GatewaySimulator

/// Whom a scenario's faults meet.
@Suite struct ScenarioPlayerTests {
    private static func rule(_ fault: Fault?, _ change: (inout Scenario.Rule) -> Void = { _ in }) -> Scenario.Rule {
        var rule = Scenario.Rule(fault: fault)
        change(&rule)
        return rule
    }

    @Test func theFirstRuleThatFitsDecides() {
        let scenario = Scenario(
            rules: [
                Self.rule(nil) { $0.model = "good" }, Self.rule(.cut(after: 1)) { $0.user = "u" },
                Self.rule(.cut(after: 2)) { $0.text = "boom" },
                Self.rule(.cut(after: 3)) {
                    $0.model = "gpt-*"
                    $0.requests = 2...3
                },
            ], mix: [.init(.cut(after: 9), percent: 100)])
        var player = ScenarioPlayer(scenario, seed: 1)
        func ask(_ model: String, _ user: String? = nil, _ text: String = "") -> Fault? {
            player.fault(at: .request, for: .init(model: model, user: user, text: text))
        }
        #expect(ask("good", "u", "boom") == nil)
        #expect(ask("x", "u", "boom") == .cut(after: 1))
        #expect(ask("x", nil, "a boom b") == .cut(after: 2))
        #expect(ask("gpt-4") == .cut(after: 9))
        #expect(ask("gpt-5") == .cut(after: 3))
        #expect(ask("claude") == .cut(after: 9))
        #expect(ask("gpt-4") == .cut(after: 3))
        #expect(ask("gpt-4") == .cut(after: 9))
        #expect(player.fault(at: .head, for: .init(model: "gpt-4")) == nil)
    }

    /// A refusal goes with the upgrade; where a rule looks into the request, it waits for that.
    @Test func stages() {
        let scenario = Scenario(
            rules: [
                Self.rule(.mute) { $0.requests = 2...2 },
                Self.rule(.refuse(status: 503, retryAfter: nil)) { $0.model = "a" },
                Self.rule(.hang) { $0.text = "t" },
            ])
        var player = ScenarioPlayer(scenario, seed: 1)
        #expect(player.fault(at: .connection, for: .init()) == nil)
        #expect(player.fault(at: .connection, for: .init()) == .mute)
        #expect(player.fault(at: .head, for: .init(model: "b", text: "t")) == nil)
        #expect(player.fault(at: .head, for: .init(model: "a")) == .refuse(status: 503, retryAfter: nil))
        #expect(player.fault(at: .request, for: .init(model: "a", text: "t")) == .hang)
    }

    @Test func theSameSeedGivesTheSameMix() {
        let scenario = Scenario(
            rules: [Self.rule(.late) { $0.percent = 10 }],
            mix: [.init(.cut(after: 1), percent: 20), .init(.reset(after: 1), percent: 30), .init(.hang, percent: 100)])
        func play(_ seed: UInt64) -> [Fault?] {
            var player = ScenarioPlayer(scenario, seed: seed)
            return (0..<2000).map { _ in player.fault(at: .request, for: .init()) }
        }
        let played = play(5)
        #expect(played == play(5) && played != play(6))
        let counts = [Fault.late, .cut(after: 1), .reset(after: 1)].map { fault in played.count { $0 == fault } }
        #expect((140...260).contains(counts[0]) && (290...430).contains(counts[1]) && (460...620).contains(counts[2]))
        #expect(!played.contains(.hang), "an upgrade's share is not a request's")
    }
}

/// The faults that scenarios need most, as they look on the wire.
@Suite(.serialized) struct HostileFaultTests {
    static func post(_ fault: String, tokens: Int = 2, until timeout: Duration? = nil) async throws -> String {
        let rule = try FaultRule(parsing: fault)
        let box = Answer()
        try await EventStreamTests.withGateway {
            $0.faults = [rule]
            $0.tokens = tokens
        } _: { gateway in
            box.text = try await rawExchange(port: gateway.port, EventStreamTests.post(chatRequest()))
        }
        return box.text
    }

    private final class Answer: @unchecked Sendable {
        // Written before the gateway's end, and read after it.
        var text = ""
    }

    @Test func refusals() async throws {
        #expect(try await Self.post("refuse:307").lowercased().contains("location: /redirected\r\n"))
        #expect(try await Self.post("refuse:429:1500ms").lowercased().contains("retry-after-ms: 1500\r\n"))
    }

    @Test func messagesInBetween() async throws {
        for (fault, part) in [
            ("other-json:1", #"{"status":"ok","queue":[1,2,3]}"#),
            ("oversize:50000:1", String(repeating: "x", count: 50_000)),
            ("error:x:1:text", #"{"error":"Simulated x"}"#),
        ] {
            let answer = try await Self.post(fault)
            #expect(answer.contains(part))
            #expect(answer.contains("[DONE]") == !fault.hasPrefix("error"))
        }
    }

    @Test(arguments: ["fragments:1000:1", "pings:300:1"])
    func fragments(_ fault: String) async throws {
        let rule = try FaultRule(parsing: fault)
        try await withGateway {
            $0.faults = [rule]
            $0.tokens = 2
        } _: { _, client in
            try await client.send(chatRequest())
            var pings = 0
            var fragments: [Int] = []
            var isLast = false
            while !isLast {
                switch try await client.next() {
                case .ping: pings += 1
                case .message(let message):
                    fragments.append(message.fragments)
                    isLast = isUsage(message)
                case let event: throw TestClient.Unexpected(event: event)
                }
            }
            let count = fault.hasPrefix("pings") ? 300 : 1000
            #expect(fragments.max() == count && pings == (fault.hasPrefix("pings") ? count : 0))
        }
    }

    /// Nothing comes, and the connection stays until the client has had enough.
    @Test(arguments: ["mute", "hang"], [true, false])
    func silence(_ fault: String, upgrades: Bool) async throws {
        let rule = try FaultRule(parsing: fault)
        try await EventStreamTests.withGateway {
            $0.faults = [rule]
        } _: { gateway in
            let request = upgrades ? upgradeRequest() : EventStreamTests.post(chatRequest())
            let answer = try await rawExchange(port: gateway.port, request, for: .milliseconds(200))
            #expect(answer.isEmpty)
            #expect(gateway.counters.answers == 0)
        }
    }

    /// Each byte in a read of its own, the head as well.
    @Test(arguments: ["drip-head:1", "drip:1:1"])
    func drips(_ fault: String) async throws {
        let started = NIODeadline.now()
        let answer = try await Self.post(fault)
        #expect(answer.contains("[DONE]"))
        #expect(NIODeadline.now() - started > .milliseconds(300))
    }

    @Test func nothingNewerThanTLS11() async throws {
        try await withTemporaryFolder { folder in
            let files = try makeCertificate(in: folder)
            var options = SimulatedGateway.Options()
            options.tls = .init(certificateFile: files.certificate, keyFile: files.key, isOld: true)
            let gateway = try await SimulatedGateway.start(options)
            var configuration = TLSConfiguration.makeClientConfiguration()
            configuration.trustRoots = .file(files.certificate)
            for (minimum, works) in [(TLSVersion.tlsv1, true), (.tlsv12, false)] {
                configuration.minimumTLSVersion = minimum
                let context = try NIOSSLContext(configuration: configuration)
                let client = try? await TestClient.connect(port: gateway.port, tls: context)
                #expect((client != nil) == works)
                try? await client?.disconnect()
            }
            await gateway.shutdown()
        }
    }

    /// A scenario's rule by model holds for the upgrade, one by text for the request.
    @Test func aScenarioIsPlayed() async throws {
        var refused = Scenario.Rule(fault: .refuse(status: 503, retryAfter: "3"))
        refused.model = "other"
        var failed = Scenario.Rule(fault: .error(type: "server_error", after: 0, shape: .nested))
        failed.text = "boom"
        let rules = [refused, failed]
        try await withGateway {
            $0.scenario = Scenario(rules: rules)
            $0.tokens = 1
        } _: { gateway, client in
            let path = "/v1/realtime/chat/completions?model=other"
            let answer = try await rawExchange(port: gateway.port, upgradeRequest(path: path))
            #expect(answer.hasPrefix("HTTP/1.1 503") && answer.lowercased().contains("retry-after: 3"))
            try await client.send(chatRequest(prompt: "a boom b"))
            #expect(try await client.nextMessage().text.contains("server_error"))
            try await client.send(chatRequest(prompt: "hi"))
            _ = try await client.messages(until: isUsage)
        }
    }
}
