import ChatModel
import NIOCore
import Testing

@testable import GatewaySimulator

@Suite(.serialized) struct AnswerTests {
    @Test func chunksHaveTheShapeOfOpenAIs() async throws {
        try await withGateway { gateway, client in
            try await client.send(chatRequest("\"user\":\"customer-1\""))
            let messages = try await client.messages(until: isUsage)
            let answer = try JoinedAnswer(messages)
            #expect(messages[0].json["choices"]?.arrayValue?[0]["delta"]?["role"] == .string("assistant"))
            #expect(messages[0].json["model"] == .string("gpt-4.1"))
            #expect(messages.last?.json["choices"] == .array([]))
            #expect(answer.ids.count == 1 && answer.ids.first?.hasPrefix("chatcmpl-") == true)
            #expect(answer.roles == [0: 1] && answer.finishReasons == [0: "stop"])
            #expect(answer.text() == BuiltInText.text)
            #expect(answer.usage?["completion_tokens"]?.integerValue == answer.contents[0]?.count)
            try await gateway.waitForAnswers(1)
            let recorded = try #require(gateway.answers(user: "customer-1").first)
            #expect(recorded.text == answer.text() && recorded.end == .complete && recorded.id == answer.ids.first)
            #expect(gateway.answer(request: 0) == recorded)
            let counters = gateway.counters
            #expect(counters.requests == 1 && counters.answers == 1 && counters.connections == 1)
            #expect(counters.tokens == answer.contents[0]?.count)
        }
    }

    @Test func oneConnectionCarriesOneRequestAfterAnother() async throws {
        try await withGateway {
            $0.tokens = 5
            $0.varies = true
        } _: { gateway, client in
            var texts: Set<String> = []
            var ids: Set<String> = []
            // The last two are sent before their turn.
            for _ in 0..<2 { try await client.send(chatRequest()) }
            for index in 0..<4 {
                let answer = try JoinedAnswer(try await client.messages(until: isUsage))
                ids.formUnion(answer.ids)
                texts.insert(answer.text())
                #expect(answer.contents[0]?.count == 5)
                if index < 2 { try await client.send(chatRequest()) }
            }
            #expect(ids.count == 4 && texts.count > 1)
            #expect(gateway.counters.connections == 1)
        }
    }

    @Test(arguments: [
        ("\"max_tokens\":3", 3, "length"), ("\"max_completion_tokens\":2,\"max_tokens\":9", 2, "length"),
        ("\"max_tokens\":7", 7, "stop"), ("\"max_tokens\":100", 7, "stop"),
    ])
    func limitsAreRespected(extra: String, tokens: Int, reason: String) async throws {
        try await withGateway {
            $0.tokens = 7
        } _: { _, client in
            try await client.send(chatRequest(extra))
            let answer = try JoinedAnswer(try await client.messages(until: isUsage))
            #expect(answer.contents[0]?.count == tokens)
            #expect(answer.finishReasons == [0: reason])
        }
    }

    @Test func longAnswersRepeatTheText() async throws {
        try await withGateway {
            $0.tokens = 1_000
            $0.text = "eins zwei drei "
        } _: { gateway, client in
            try await client.send(chatRequest())
            let answer = try JoinedAnswer(try await client.messages(until: isUsage))
            #expect(answer.contents[0]?.count == 1_000)
            #expect(answer.text().hasPrefix("eins zwei drei eins zwei drei "))
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers[0].text == answer.text())
        }
    }

    @Test func usageAndDoneAreOptions() async throws {
        try await withGateway {
            $0.sendsUsage = false
            $0.sendsDone = true
            $0.tokens = 2
        } _: { _, client in
            try await client.send(chatRequest())
            let messages = try await client.messages { $0.text == "[DONE]" }
            #expect(messages.count == 5)
            #expect(messages.dropLast().allSatisfy { $0.json["usage"] == nil })
        }
    }

    @Test func everyChoiceIsStreamed() async throws {
        try await withGateway {
            $0.tokens = 6
        } _: { gateway, client in
            try await client.send(chatRequest("\"n\":3"))
            let answer = try JoinedAnswer(try await client.messages(until: isUsage))
            #expect(answer.roles == [0: 1, 1: 1, 2: 1])
            #expect(answer.finishReasons == [0: "stop", 1: "stop", 2: "stop"])
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers[0].texts == (0..<3).map { answer.text($0) })
            #expect(answer.text(0) != answer.text(1))
            #expect(answer.usage?["completion_tokens"] == .integer(18))
        }
    }

    @Test func toolsAreCalled() async throws {
        try await withGateway {
            $0.callsTools = true
        } _: { _, client in
            try await client.send(
                chatRequest(
                    """
                    "tools":[{"type":"function","function":{"name":"search"}},
                    {"type":"function","function":{"name":"stock"}}]
                    """))
            let answer = try JoinedAnswer(try await client.messages(until: isUsage))
            #expect(answer.finishReasons == [0: "tool_calls"] && answer.text().isEmpty)
            #expect(answer.toolCalls[0]?.name == "search" && answer.toolCalls[1]?.name == "stock")
            for call in answer.toolCalls.values {
                #expect(try JSONValue(parsing: Array(call.arguments.utf8))["text"] != nil)
            }
        }
    }

    @Test func promptIsEchoed() async throws {
        let prompt = "줄 1\n\"zitiert\" \\ 👩‍👩‍👧‍👦 e\u{301} \u{1}"
        try await withGateway {
            $0.echoesPrompt = true
        } _: { _, client in
            try await client.send(chatRequest(prompt: prompt))
            #expect(try JoinedAnswer(try await client.messages(until: isUsage)).text() == prompt)
        }
    }

    @Test func timestampsTellTimeAndOrder() async throws {
        try await withGateway {
            $0.stampsTokens = true
            $0.tokens = 50
        } _: { gateway, client in
            let before = NIODeadline.now().uptimeNanoseconds
            try await client.send(chatRequest())
            let answer = try JoinedAnswer(try await client.messages(until: isUsage))
            var last = before
            for (index, token) in answer.contents[0, default: []].enumerated() {
                let parts = token.dropLast().split(separator: ":")
                let time = try #require(UInt64(parts[0]))
                #expect(Int(parts[1]) == index && time >= last && token.hasSuffix(" "))
                last = time
            }
            #expect(answer.contents[0]?.count == 50 && last <= NIODeadline.now().uptimeNanoseconds)
            try await gateway.waitForAnswers(1)
            #expect(gateway.answers[0].text == answer.text())
        }
    }

    @Test func withoutStreamTheAnswerIsOneMessage() async throws {
        try await withGateway { _, client in
            try await client.send(chatRequest(stream: false))
            let json = try await client.nextMessage().json
            #expect(json["object"] == .string("chat.completion"))
            #expect(json["choices"]?.arrayValue?[0]["message"]?["content"] == .string(BuiltInText.text))
        }
    }

    @Test(arguments: [
        "[]", "{", "{\"messages\":7}", "{\"messages\":[],\"n\":0}", "{\"messages\":[],\"max_tokens\":0}",
        "{\"messages\":[],\"x_simulate\":\"explode\"}",
    ])
    func badRequestsGetAnErrorAndTheConnectionStays(body: String) async throws {
        try await withGateway {
            $0.tokens = 1
        } _: { _, client in
            try await client.send(body)
            #expect(try await client.nextMessage().json["error"]?["type"] == .string("invalid_request_error"))
            try await client.send(chatRequest())
            #expect(try JoinedAnswer(try await client.messages(until: isUsage)).contents[0]?.count == 1)
        }
    }

    @Test func paceIsKeptAndDoesNotDrift() async throws {
        try await withGateway {
            $0.tokens = 61
            $0.tokensPerSecond = 100
            $0.firstTokenDelay = .milliseconds(200)
        } _: { _, client in
            let start = NIODeadline.now()
            try await client.send(chatRequest())
            let messages = try await client.messages(until: isUsage)
            let first = try #require(messages.first).receivedAt - start
            let last = try #require(messages.last).receivedAt - start
            #expect(first >= .milliseconds(200))
            // Sixty intervals of 10 ms after the first token, however late the timers were on the way.
            #expect(last >= .milliseconds(800) && last < .milliseconds(1_300))
        }
    }

    @Test func closesWith1000AfterAnAnswer() async throws {
        try await withGateway {
            $0.closesAfterAnswer = true
            $0.tokens = 1
        } _: { _, client in
            try await client.send(chatRequest())
            _ = try await client.messages(until: isUsage)
            #expect(try await client.next() == .close(1000))
            try await client.close()
            #expect(try await client.next() == .ended(withError: false))
        }
    }

    @Test func transcriptHasOneLineForEachAnswer() async throws {
        try await withTemporaryFolder { folder in
            let path = folder + "/transcript.jsonl"
            try await withGateway {
                $0.transcriptPath = path
                $0.tokens = 3
            } _: { gateway, client in
                for user in ["a", "b"] {
                    try await client.send(chatRequest("\"user\":\"\(user)\""))
                    _ = try await client.messages(until: isUsage)
                }
                try await gateway.waitForAnswers(2)
                let lines = try readFile(path).split(separator: "\n").map { try JSONValue(parsing: $0.utf8) }
                #expect(lines.map { $0["user"] } == [.string("a"), .string("b")])
                #expect(lines[0]["text"] == .string(gateway.answers[0].text))
                #expect(lines[0]["text_sha256"]?.stringValue?.utf8.count == 64)
            }
        }
    }
}
