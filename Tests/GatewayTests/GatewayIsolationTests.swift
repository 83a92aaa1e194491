import Gateway
import Testing

/// One customer's text never reaches another's stream.
@Suite(.timeLimit(.minutes(1))) struct GatewayIsolationTests {
    /// Frames of the first answer that come within the second are dropped, wherever they come.
    @Test func lateFramesOfAnEarlierAnswer() async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.send(
                AnswerText.chunk("first", id: "one"), AnswerText.finish(id: "one"), AnswerText.usage(id: "one"))
            _ = try await peer.readRequest()
            try await peer.send("[DONE]", AnswerText.chunk("LATE", id: "one"), AnswerText.usage(id: "one"))
            try await peer.send(AnswerText.chunk("sec", id: "two"), AnswerText.chunk("LATE", id: "one"))
            try await peer.send(AnswerText.finish(id: "one"), AnswerText.chunk("ond", id: "two"))
            try await peer.send(AnswerText.finish(id: "two"), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let first = try await client.start().result()
            #expect(first.text == "first")
            let events = try await client.start().all()
            #expect(events == [.started(reused: true), .chunk("sec"), .chunk("ond"), .chunk(""), .ended(.complete)])
            #expect(client.metrics.lateFramesDropped.load(ordering: .relaxed) == 5)
            #expect(gateway.accepted.value == 1)
            await client.shutdown()
        }
    }

    /// A frame that does not say whose it is could be anybody's: on a reused connection it fails the stream.
    @Test(arguments: [true, false])
    func lateFramesWithoutId(first: Bool) async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            let id = "own-\(peer.number)"
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.chunk("first", id: id), AnswerText.finish(id: id), "[DONE]")
            _ = try await peer.readRequest()
            if !first { try await peer.send(AnswerText.chunk("second", id: "two")) }
            try await peer.send(AnswerText.chunk("LATE", id: nil), AnswerText.finish(id: "two"))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            _ = try await client.start().all()
            let stream = try await client.start().result()
            #expect(stream.text == (first ? "" : "second"))
            guard case .failed(let failure) = stream.end else {
                Issue.record("the stream did not fail")
                return
            }
            #expect(failure.code == "gateway_mixed_streams")
            #expect(failure.isRetryable)
            let third = try await client.start().result()
            #expect(third.text == "first", "on a connection of its own")
            #expect(gateway.accepted.value == 2)
            await client.shutdown()
        }
    }

    /// Anything but a `[DONE]` that is still owed closes an idle connection before the next request can have it.
    @Test(arguments: [
        ServerFrame.text(AnswerText.chunk("LATE", id: "one")), ServerFrame.text("[DONE]") + ServerFrame.text("[DONE]"),
        ServerFrame.text("{", fin: false), ServerFrame.frame(1, [], rsv: 1),
        ServerFrame.text(#"{"error":{"message":"x"}}"#),
    ])
    func dataOnAnIdleConnection(_ bytes: [UInt8]) async throws {
        let closed = Signal()
        let ended = Signal()
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            let id = peer.number == 0 ? "one" : "two"
            try await peer.send(AnswerText.chunk(id, id: id), AnswerText.finish(id: id), AnswerText.usage(id: id))
            guard peer.number == 0 else { return await peer.waitForEnd() }
            try await ended.wait()
            try await peer.send(bytes)
            let close = try await peer.readFrame()
            #expect(close.opcode == 8)
            closed.fire()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let first = try await client.start().result()
            #expect(first.text == "one")
            ended.fire()
            try await closed.wait()
            let second = try await client.start().result()
            #expect(second.text == "two")
            #expect(gateway.accepted.value == 2)
            await client.shutdown()
        }
    }

    /// The late frame stands in the same segment as the end of its answer.
    @Test func dataGluedToTheEnd() async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            let id = "id\(peer.number)"
            let end = ServerFrame.text(AnswerText.finish(id: id)) + ServerFrame.text("[DONE]")
            try await peer.send(
                ServerFrame.text(AnswerText.chunk(id, id: id)) + end
                    + ServerFrame.text(AnswerText.chunk("LATE", id: id)))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            for round in 0..<3 {
                let result = try await client.start().result()
                #expect(result.text == "id\(round)")
                #expect(result.end == .complete)
            }
            await client.shutdown()
            #expect(client.metrics.unexpectedData.load(ordering: .relaxed) == 3)
        }
    }

    @Test func pingsOnAnIdleConnectionAreAnswered() async throws {
        let ponged = Signal()
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.finish(id: "one"), "[DONE]")
            try await peer.send(ServerFrame.frame(9, [1, 2, 3]) + ServerFrame.frame(10, []))
            let pong = try await peer.readFrame()
            #expect(pong.opcode == 10 && pong.payload == [1, 2, 3])
            ponged.fire()
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.finish(id: "two"), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            _ = try await client.start().all()
            try await ponged.wait()
            let events = try await client.start().all()
            #expect(events.first == .started(reused: true))
            await client.shutdown()
        }
    }
}
