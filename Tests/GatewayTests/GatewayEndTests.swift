import Gateway
import Testing

/// How streams end over a socket, and what the gateway is told.
@Suite(.timeLimit(.minutes(1))) struct GatewayEndTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var bytes: [UInt8]
        var code: String
        var closeCode: Int?
        var isRetryable = false
        /// The close code that the gateway gets.
        var answered: Int?

        init(
            _ name: String, _ bytes: [UInt8], _ code: String, closeCode: Int? = nil, isRetryable: Bool = false,
            answered: Int? = nil
        ) {
            testDescription = name
            self.bytes = bytes
            self.code = code
            self.closeCode = closeCode
            self.isRetryable = isRetryable
            self.answered = answered
        }
    }

    private static let begun = ServerFrame.text(AnswerText.chunk("a"))

    @Test(arguments: [
        Case(
            "close 1000 too early", begun + ServerFrame.close(1000), "gateway_closed_early", closeCode: 1000,
            answered: 1000),
        Case(
            "close 1011", begun + ServerFrame.close(1011), "gateway_closed_internal_error", closeCode: 1011,
            isRetryable: true,
            answered: 1011),
        Case("close 1008", begun + ServerFrame.close(1008), "gateway_closed_policy", closeCode: 1008, answered: 1008),
        Case(
            "close 4000", ServerFrame.close(4000), "gateway_closed_other", closeCode: 4000, isRetryable: true,
            answered: 4000),
        Case(
            "close without a code", ServerFrame.close(nil), "gateway_closed_other", closeCode: 1005, isRetryable: true),
        Case("reserved bits", begun + ServerFrame.frame(1, [], rsv: 4), "gateway_protocol_error", answered: 1002),
        Case(
            "a masked frame", ServerFrame.frame(1, [0x61], mask: [1, 2, 3, 4]), "gateway_protocol_error", answered: 1002
        ),
        Case("not UTF-8", begun + ServerFrame.frame(1, [0xFF]), "gateway_invalid_utf8", answered: 1007),
        Case("a cut character", ServerFrame.frame(2, [0x22, 0xEC]), "gateway_invalid_utf8", answered: 1007),
        Case("not JSON", begun + ServerFrame.text("nonsense"), "gateway_invalid_chunk", answered: 1003),
        Case("a close code that is none", ServerFrame.close(1005), "gateway_protocol_error", answered: 1002),
        Case(
            "an id that changes", begun + ServerFrame.text(AnswerText.chunk("b", id: "other")), "gateway_mixed_streams",
            isRetryable: true, answered: 1008),
        Case("[DONE] too early", begun + ServerFrame.text("[DONE]"), "gateway_incomplete", answered: 1000),
        Case(
            "an error", ServerFrame.text(#"{"error":{"message":"sk-test-0123456789","type":"server_error"}}"#),
            "gateway_unavailable", isRetryable: true, answered: 1000),
        Case(
            "a flat error",
            begun + ServerFrame.text(#"{"type":"error","code":"context_length_exceeded","message":"x"}"#),
            "gateway_context_too_long", answered: 1000),
        Case(
            "a nested error", begun + ServerFrame.text(#"{"type":"error","status":429,"error":{"type":"x"}}"#),
            "gateway_rate_limited", isRetryable: true, answered: 1000),
    ])
    func failures(_ test: Case) async throws {
        let answered = Signal()
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.send(test.bytes)
            let close = try await peer.readFrame()
            #expect(close.opcode == 8 && close.isMasked)
            #expect(close.closeCode == test.answered)
            answered.fire()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let failure = try await client.start().failure()
            #expect(failure?.code == test.code)
            #expect(failure?.closeCode == test.closeCode)
            #expect(failure?.isRetryable == test.isRetryable)
            #expect(failure?.message.contains("sk-test") == false)
            #expect(client.metrics.failuresByCode == [test.code: 1])
            try await answered.wait()
            await client.shutdown()
        }
    }

    @Test(arguments: TestTransport.allCases)
    func endOfFile(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.chunk("a"))
        } body: { gateway in
            let client = try gateway.client()
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_closed")
            #expect(failure?.closeCode == 1006)
            #expect(failure?.stage == .streaming)
            #expect(failure?.isRetryable == true)
            await client.shutdown()
        }
    }

    @Test(arguments: TestTransport.allCases, [false, true])
    func cancel(_ transport: TestTransport, begun: Bool) async throws {
        let closed = Signal()
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            if begun { try await peer.send(AnswerText.chunk("a")) }
            await peer.waitForEnd()
            closed.fire()
        } body: { gateway in
            let client = try gateway.client()
            let stream = try await client.start()
            try await stream.wait(for: begun ? .chunk("a") : .started(reused: false))
            try await stream.cancel()
            let rest = try await stream.all()
            #expect(rest == [.ended(.cancelled)])
            try await closed.wait()
            #expect(client.metrics.streamsCancelled.load(ordering: .relaxed) == 1)
            await client.shutdown()
        }
    }

    @Test func cancelBeforeItsFirstTurn() async throws {
        let client = try GatewayClient.test(port: 1)
        let events = try await GatewayClient.testLoop.submit {
            let events = EventBox()
            let recorder = StreamRecorder { events.list.append($0) }
            let stream = client.open(.init(model: "m", body: .init()), on: GatewayClient.testLoop, handler: recorder)
            #expect(events.list.isEmpty, "nothing is called before open returns")
            stream.cancel()
            stream.cancel()
            return events.list
        }.get()
        #expect(events == [.ended(.cancelled)])
        await client.shutdown()
    }

    /// What the messages of an answer say ends it the same way over every protocol.
    struct Messages: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var texts: [String]
        var code: String
        var isRetryable = false
    }

    @Test(
        arguments: TestTransport.allCases,
        [
            Messages(testDescription: "not JSON", texts: ["nonsense"], code: "gateway_invalid_chunk"),
            Messages(testDescription: "[DONE] too early", texts: ["[DONE]"], code: "gateway_incomplete"),
            Messages(
                testDescription: "an error",
                texts: [#"{"error":{"message":"sk-test-0123456789","type":"server_error"}}"#],
                code: "gateway_unavailable", isRetryable: true),
            Messages(
                testDescription: "a flat error",
                texts: [#"{"type":"error","code":"context_length_exceeded","message":"x"}"#],
                code: "gateway_context_too_long"),
            Messages(
                testDescription: "a nested error", texts: [#"{"type":"error","status":429,"error":{"type":"x"}}"#],
                code: "gateway_rate_limited", isRetryable: true),
        ])
    func messages(_ transport: TestTransport, _ test: Messages) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.chunk("a"))
            for text in test.texts { try await peer.send(text) }
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let result = try await client.start().result()
            #expect(result.text == "a")
            guard case .failed(let failure) = result.end else {
                Issue.record("the stream did not fail")
                return
            }
            #expect(failure.code == test.code)
            #expect(failure.isRetryable == test.isRetryable)
            #expect(failure.stage == .streaming)
            #expect(!failure.message.contains("sk-test"))
            await client.shutdown()
        }
    }

    private final class EventBox { var list: [StreamEvent] = [] }

    @Test(arguments: TestTransport.allCases)
    func shutdownEndsLiveStreams(_ transport: TestTransport) async throws {
        let closed = Signal()
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.chunk("a"))
            if transport == .websocket {
                let close = try await peer.readFrame()
                #expect(close.closeCode == 1001)
            } else {
                await peer.waitForEnd()
            }
            closed.fire()
        } body: { gateway in
            let client = try gateway.client()
            let stream = try await client.start()
            try await stream.wait(for: .chunk("a"))
            await client.shutdown()
            let failure = try await stream.failure()
            #expect(failure?.code == "gateway_shutdown")
            try await closed.wait()
            #expect(client.metrics.connectionsLive.load(ordering: .relaxed) == 0)
            let late = try await client.start().failure()
            #expect(late?.code == "gateway_shutdown")
        }
    }
}
