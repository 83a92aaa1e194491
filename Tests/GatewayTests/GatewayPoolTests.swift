import Gateway
import NIOPosix
import Testing

/// Which connections carry another request.
@Suite(.timeLimit(.minutes(1))) struct GatewayPoolTests {
    /// Answers every request with one piece of text and ends as `ending` says; ids differ.
    private static func serve(_ peer: TestPeer, ending: @Sendable (String) -> [String]) async throws {
        try await peer.upgrade()
        var count = 0
        while let request = try? await peer.readFrame(), request.opcode == 1 {
            let id = "c\(peer.number)-\(count)"
            count += 1
            try await peer.send(AnswerText.chunk(id, id: id))
            for text in ending(id) { try await peer.send(text) }
        }
    }

    @Test(arguments: [
        [AnswerText.finish(id: "ID"), "[DONE]"],
        [AnswerText.finish(id: "ID"), AnswerText.usage(id: "ID")],
        [AnswerText.finish(id: "ID"), AnswerText.usage(id: "ID"), "[DONE]"],
        [AnswerText.finish(id: "ID")],
    ])
    func reusedAfterACleanEnd(_ ending: [String]) async throws {
        try await TestGateway.run { peer in
            try await Self.serve(peer) { id in ending.map { $0.replacing("ID", with: id) } }
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            for round in 0..<5 {
                let events = try await client.start().all()
                #expect(events.first == .started(reused: round > 0))
                #expect(events.dropFirst().first == .chunk("c0-\(round)"))
                #expect(events.last == .ended(.complete))
            }
            #expect(gateway.accepted.value == 1)
            #expect(client.metrics.connectionsReused.load(ordering: .relaxed) == 4)
            await client.shutdown()
        }
    }

    @Test func anotherModelHasAConnectionOfItsOwn() async throws {
        try await TestGateway.run { peer in
            try await Self.serve(peer) { [AnswerText.finish(id: $0), "[DONE]"] }
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            _ = try await client.start("a").all()
            _ = try await client.start("b").all()
            _ = try await client.start("a").all()
            #expect(gateway.accepted.value == 2)
            await client.shutdown()
        }
    }

    @Test func anotherLoopHasAConnectionOfItsOwn() async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        try await TestGateway.run { peer in
            try await Self.serve(peer) { [AnswerText.finish(id: $0), "[DONE]"] }
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port) { $0.maximumIdle = 1 }
            let loops = Array(group.makeIterator())
            for loop in loops + loops { _ = try await client.start(on: loop).all() }
            #expect(gateway.accepted.value == 3, "and only one idle connection is kept over both")
            await client.shutdown()
        }
        try await group.shutdownGracefully()
    }

    @Test func notReusedWithoutIds() async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            while let request = try? await peer.readFrame(), request.opcode == 1 {
                try await peer.send(AnswerText.chunk("x", id: nil), AnswerText.finish(id: nil), "[DONE]")
            }
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            for _ in 0..<2 {
                let end = try await client.start().result().end
                #expect(end == .complete)
            }
            #expect(gateway.accepted.value == 2)
            await client.shutdown()
        }
    }

    @Test func notReusedAfterAFailure() async throws {
        try await TestGateway.run { peer in
            try await Self.serve(peer) { _ in [#"{"error":{"type":"server_error"}}"#] }
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            for _ in 0..<2 {
                let failure = try await client.start().failure()
                #expect(failure?.code == "gateway_unavailable")
            }
            #expect(gateway.accepted.value == 2)
            await client.shutdown()
        }
    }

    @Test(arguments: [true, false])
    func closedWhenIdleOrOld(idle: Bool) async throws {
        let closed = Signal()
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.send(AnswerText.finish(), "[DONE]")
            let close = try await peer.readFrame()
            #expect(close.closeCode == 1000)
            closed.fire()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port) {
                if idle { $0.keepIdle = .milliseconds(50) } else { $0.maximumAge = .milliseconds(150) }
            }
            let end = try await client.start().result().end
            #expect(end == .complete)
            try await closed.wait()
            await client.shutdown()
        }
    }

    /// The connection dies while it is idle, or just when the next request goes out.
    @Test(arguments: ["eof", "close", "after the request"])
    func aDeadConnectionIsReplaced(_ death: String) async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            let id = "c\(peer.number)"
            try await peer.send(AnswerText.chunk("hello", id: id), AnswerText.finish(id: id), "[DONE]")
            guard peer.number == 0 else { return await peer.waitForEnd() }
            switch death {
            case "eof": return
            case "close": try await peer.send(ServerFrame.close(1001))
            default: _ = try await peer.readRequest()
            }
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            for _ in 0..<2 {
                let events = try await client.start().all()
                #expect(events.filter { if case .started = $0 { true } else { false } }.count == 1)
                #expect(events.contains(.chunk("hello")))
                #expect(events.last == .ended(.complete))
            }
            #expect(gateway.accepted.value == 2)
            if death == "after the request" {
                #expect(client.metrics.deadConnectionsReplaced.load(ordering: .relaxed) == 1)
            }
            await client.shutdown()
        }
    }

    /// A fresh connection that dies is not tried again here: that is for the job to decide.
    @Test func aFreshOneIsNotReplaced() async throws {
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_closed")
            #expect(gateway.accepted.value == 1)
            await client.shutdown()
        }
    }
}
