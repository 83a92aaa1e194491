import ChatModel
import Testing

@testable import GatewaySimulator

@Suite(.serialized) struct FaultTests {
    @Test(
        arguments: [
            ("refuse:503", .refuse(status: 503, retryAfter: nil)),
            ("refuse:429:2", .refuse(status: 429, retryAfter: "2")),
            ("close:1013:5", .close(code: 1013, after: 5)), ("close:1011", .close(code: 1011, after: 0)),
            ("cut", .cut(after: 0)), ("cut:3", .cut(after: 3)), ("reset:1", .reset(after: 1)),
            ("silence:2", .silence(after: 2)), ("garbage:4", .garbage(after: 4)), ("utf8:1", .invalidUTF8(after: 1)),
            ("swap-id", .swapID(after: 1)), ("filter:2", .filter(after: 2)), ("late", .late),
            ("error:server_error", .error(type: "server_error", after: 0, shape: .nested)),
            ("error:x:9:flat", .error(type: "x", after: 9, shape: .flat)), ("mute", .mute), ("hang", .hang),
            ("drip-head:5", .dripHead(milliseconds: 5)), ("drip:5:2", .drip(milliseconds: 5, after: 2)),
            ("other-json:1", .otherJSON(after: 1)), ("oversize:9:1", .oversize(bytes: 9, after: 1)),
            ("fragments:9", .fragments(count: 9, after: 0)), ("pings:9:1", .pings(count: 9, after: 1)),
            ("bad-frame:1", .badFrame(after: 1)),
        ] as [(String, Fault)])
    func faultsAreParsed(text: String, fault: Fault) throws {
        #expect(try Fault(parsing: text) == fault)
    }

    @Test(arguments: [
        "", "explode", "refuse", "refuse:200", "refuse:x", "close", "close:999", "cut:-1", "cut:x", "cut:1:2", "error",
        "error::1", "error:x:1:round", "late:1", "mute:1", "hang:1", "drip-head", "drip:0", "oversize", "oversize:0",
        "pings:x",
    ])
    func badFaultsAreRefused(text: String) {
        #expect(throws: Fault.ParseError.self) { try Fault(parsing: text) }
    }

    @Test(
        arguments: [
            ("cut:5", .always), ("cut:5@1", .ordinals(1...1)), ("cut:5@2-4", .ordinals(2...4)),
            ("cut:5@10%", .chance(percent: 10)), ("cut:5@0.5%", .chance(percent: 0.5)),
        ] as [(String, FaultRule.Selection)])
    func rulesAreParsed(text: String, selection: FaultRule.Selection) throws {
        #expect(try FaultRule(parsing: text) == FaultRule(.cut(after: 5), selection))
    }

    @Test(arguments: ["cut@", "cut@0", "cut@3-2", "cut@1-2-3", "cut@101%", "cut@x"])
    func badRulesAreRefused(text: String) {
        #expect(throws: Fault.ParseError.self) { try FaultRule(parsing: text) }
    }

    @Test func directivesAreParsed() throws {
        let directives = try Directives(parsing: "tokens:9, rate:2.5,first-token:30,cut:1@1")
        #expect(directives.tokens == 9 && directives.tokensPerSecond == 2.5)
        #expect(directives.firstTokenMilliseconds == 30 && directives.faults.count == 1)
        for text in ["tokens:x", "rate:-1", "first-token:", "rate:inf"] {
            #expect(throws: Fault.ParseError.self) { try Directives(parsing: text) }
        }
    }

    @Test(
        arguments: [
            ("close:1011:3", .close(1011)), ("cut:3", .ended(withError: false)), ("reset:3", .ended(withError: true)),
        ] as [(String, TestClient.Event)])
    func endsAfterTheTokens(fault: String, end: TestClient.Event) async throws {
        let rule = try FaultRule(parsing: fault)
        try await withGateway {
            $0.faults = [rule]
            $0.tokens = 10
        } _: { gateway, client in
            try await client.send(chatRequest())
            var messages: [TestClient.Message] = []
            var last: TestClient.Event?
            while last == nil {
                switch try await client.next() {
                case .message(let message): messages.append(message)
                case let event: last = event
                }
            }
            #expect(last == end)
            // A reset may overtake what was sent before it.
            if end != .ended(withError: true) { #expect(try JoinedAnswer(messages).contents[0]?.count == 3) }
            try await gateway.waitForAnswers(1)
            let answer = gateway.answers[0]
            #expect(answer.end == .fault(String(fault.prefix { $0 != ":" })) && answer.tokens == 3)
            #expect(gateway.counters.answers == 0)
        }
    }

    @Test func silenceStillAnswersPings() async throws {
        try await withGateway {
            $0.faults = [FaultRule(.silence(after: 0))]
        } _: { gateway, client in
            try await client.send(chatRequest())
            try await gateway.waitForAnswers(1)
            try await client.send(chatRequest())
            try await client.close()
            // Nothing came before the answer to the close frame.
            #expect(try await client.next() == .close(1000))
        }
    }

    @Test(arguments: Fault.ErrorShape.allCases)
    func errorsHaveTheirShape(shape: Fault.ErrorShape) async throws {
        let fault = Fault.error(type: "rate_limit_exceeded", after: 2, shape: shape)
        try await withGateway {
            $0.faults = [FaultRule(fault, .ordinals(1...1))]
        } _: { _, client in
            try await client.send(chatRequest())
            let messages = try await client.messages { $0.text.contains("rate_limit_exceeded") }
            #expect(messages.count == 4)
            let json = try #require(messages.last).json
            switch shape {
            case .nested: #expect(json["error"]?["type"] == .string("rate_limit_exceeded"))
            case .text: #expect(json["error"]?.stringValue != nil)
            case .flat: #expect(json["type"] == .string("error") && json["code"] == .string("rate_limit_exceeded"))
            case .typed: #expect(json["status"] == .integer(429) && json["error"]?["message"] != nil)
            }
            try await client.send(chatRequest())
            #expect(try JoinedAnswer(try await client.messages(until: isUsage)).text() == BuiltInText.text)
        }
    }

    @Test func garbageIsNotJSONAndTheAnswerGoesOn() async throws {
        try await withGateway {
            $0.faults = [FaultRule(.garbage(after: 1))]
            $0.tokens = 3
        } _: { _, client in
            try await client.send(chatRequest())
            let messages = try await client.messages(until: isUsage)
            #expect(messages.count { $0.json == .null } == 1)
            // Role, tokens, garbage, finish reason, usage.
            #expect(messages.count == 7)
        }
    }

    @Test func invalidUTF8EndsInsideACharacter() async throws {
        try await withGateway {
            $0.faults = [FaultRule(.invalidUTF8(after: 1))]
        } _: { _, client in
            try await client.send(chatRequest())
            let bad = try await client.messages { String(validating: $0.bytes, as: UTF8.self) == nil }
            #expect(bad.last?.isText == true && bad.last?.bytes.suffix(2) == [0xED, 0x95])
        }
    }

    @Test func idIsSwappedWithinTheAnswer() async throws {
        try await withGateway {
            $0.faults = [FaultRule(.swapID(after: 2))]
        } _: { _, client in
            try await client.send(chatRequest())
            #expect(try JoinedAnswer(try await client.messages(until: isUsage)).ids.count == 2)
        }
    }

    @Test func lateChunksComeIntoTheNextAnswer() async throws {
        try await withGateway {
            $0.faults = [FaultRule(.late, .ordinals(1...1))]
            $0.tokens = 3
        } _: { _, client in
            try await client.send(chatRequest())
            let first = try JoinedAnswer(try await client.messages(until: isUsage))
            try await client.send(chatRequest())
            let second = try await client.messages(until: isUsage)
            let late = second.filter { $0.json["id"]?.stringValue == first.ids.first }
            #expect(late.count == 2 && late.allSatisfy { $0.text.contains("late chunk of another answer") })
            try await client.send(chatRequest())
            #expect(try JoinedAnswer(try await client.messages(until: isUsage)).ids.count == 1)
        }
    }

    @Test func aRequestChoosesItsFaultAndTheNextTryIsGood() async throws {
        try await withGateway {
            $0.tokens = 4
        } _: { gateway, client in
            let fields = [
                "\"user\":\"job-1;simulate=error:server_error:2@1\"",
                "\"user\":\"job-2\",\"x_simulate\":\"refuse:429:7@1,tokens:2\"",
            ]
            for field in fields {
                try await client.send(chatRequest(field))
                _ = try await client.messages { $0.json["error"] != nil }
                try await client.send(chatRequest(field))
                _ = try await client.messages(until: isUsage)
            }
            try await gateway.waitForAnswers(4)
            #expect(gateway.answers(user: "job-1").map(\.end) == [.fault("error"), .complete])
            #expect(gateway.answers(user: "job-2").map(\.end) == [.fault("refuse"), .complete])
            #expect(gateway.answers(user: "job-2").map(\.tokens) == [0, 2])
        }
    }

    @Test func upgradesAreRefusedByTheirNumber() async throws {
        var options = SimulatedGateway.Options()
        options.faults = [FaultRule(.refuse(status: 429, retryAfter: "3"), .ordinals(1...2))]
        let gateway = try await SimulatedGateway.start(options)
        try await withDeadline {
            for _ in 0..<2 {
                let answer = try await rawExchange(port: gateway.port, upgradeRequest())
                #expect(answer.hasPrefix("HTTP/1.1 429 ") && answer.contains("retry-after: 3\r\n"))
                #expect(answer.contains("\"type\":\"rate_limit_exceeded\""))
            }
            let client = try await TestClient.connect(port: gateway.port)
            try await client.send(chatRequest())
            _ = try await client.nextMessage()
        }
        #expect(gateway.counters.refused == 2 && gateway.counters.connections == 1)
        await gateway.shutdown()
    }

    @Test func aClientThatGoesAwayIsRecorded() async throws {
        try await withGateway {
            $0.tokensPerSecond = 1
        } _: { gateway, client in
            try await client.send(chatRequest("\"user\":\"gone\""))
            _ = try await client.nextMessage()
            try await client.disconnect()
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers(user: "gone").map(\.end) == [.abandoned])
        }
    }
}
