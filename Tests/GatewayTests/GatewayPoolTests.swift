import Gateway
import NIOPosix
import Testing

/// Which connections carry another request.
@Suite(.timeLimit(.minutes(1))) struct GatewayPoolTests {
    /// Answers every request with one piece of text and ends as `ending` says; ids differ.
    private static func serve(_ peer: TestPeer, ending: @Sendable (String) -> [String]) async throws {
        try await peer.open()
        var count = 0
        while (try? await peer.readRequest()) != nil {
            let id = "c\(peer.number)-\(count)"
            count += 1
            try await peer.send(AnswerText.chunk(id, id: id))
            let end = ending(id).flatMap { peer.message($0) } + peer.end()
            try await peer.send(end)
            try await peer.endAnswer()
        }
    }

    @Test(
        arguments: TestTransport.allCases,
        [
            [AnswerText.finish(id: "ID"), "[DONE]"],
            [AnswerText.finish(id: "ID"), AnswerText.usage(id: "ID")],
            [AnswerText.finish(id: "ID"), AnswerText.usage(id: "ID"), "[DONE]"],
            [AnswerText.finish(id: "ID")],
        ])
    func reusedAfterACleanEnd(_ transport: TestTransport, _ ending: [String]) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer) { id in ending.map { $0.replacing("ID", with: id) } }
        } body: { gateway in
            let client = try gateway.client()
            for round in 0..<5 {
                let events = try await client.start().all()
                #expect(events.first == .started(reused: round > 0))
                let expected = transport == .http2 ? "c\(round)-0" : "c0-\(round)"
                #expect(events.dropFirst().first == .chunk(expected))
                #expect(events.last == .ended(.complete))
            }
            #expect(gateway.accepted.value == 1)
            #expect(client.metrics.connectionsReused.load(ordering: .relaxed) == 4)
            await client.shutdown()
        }
    }

    /// Over a WebSocket the model stands in the address, over HTTP in the request.
    @Test(arguments: TestTransport.allCases)
    func anotherModelHasAConnectionOfItsOwn(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer) { [AnswerText.finish(id: $0), "[DONE]"] }
        } body: { gateway in
            let client = try gateway.client()
            _ = try await client.start("a").all()
            _ = try await client.start("b").all()
            _ = try await client.start("a").all()
            #expect(gateway.accepted.value == (transport == .websocket ? 2 : 1))
            await client.shutdown()
        }
    }

    @Test(arguments: TestTransport.allCases)
    func anotherLoopHasAConnectionOfItsOwn(_ transport: TestTransport) async throws {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer) { [AnswerText.finish(id: $0), "[DONE]"] }
        } body: { gateway in
            let client = try gateway.client() { $0.maximumIdle = 1 }
            let loops = Array(group.makeIterator())
            for loop in loops + loops { _ = try await client.start(on: loop).all() }
            // Over HTTP a connection is idle when the end of the body has come, which is a moment after the answer's.
            let expected = transport == .websocket ? 3...3 : 2...3
            #expect(expected.contains(gateway.accepted.value), "and only one idle connection is kept over both")
            await client.shutdown()
        }
        try await group.shutdownGracefully()
    }

    /// Its whole answer has come while the stream was paused: the connection is as good as any, and known to the client.
    @Test(arguments: TestTransport.allCases)
    func reusedAfterAPause(_ transport: TestTransport) async throws {
        let sent = Signal()
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            while let id = try? await peer.readRequest() {
                try await peer.finish(AnswerText.chunk(id, id: id), AnswerText.finish(id: id), "[DONE]")
                sent.fire()
            }
        } body: { gateway in
            let client = try gateway.client()
            for round in 0..<5 {
                let stream = try await client.start(body: "id-\(round)", paused: true)
                try await sent.wait()
                // Time for the loop to read it.
                try await Task.sleep(for: .milliseconds(20))
                try await stream.resume()
                let events = try await stream.all()
                #expect(events.first == .started(reused: round > 0) && events.last == .ended(.complete))
            }
            #expect(gateway.accepted.value == 1)
            try await deadline { await client.shutdown() }
            #expect(client.metrics.connectionsLive.load(ordering: .relaxed) == 0)
        }
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

    @Test(arguments: [TestTransport.websocket, .http1])
    func notReusedAfterAFailure(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer) { _ in [#"{"error":{"type":"server_error"}}"#] }
        } body: { gateway in
            let client = try gateway.client()
            for _ in 0..<2 {
                let failure = try await client.start().failure()
                #expect(failure?.code == "gateway_unavailable")
            }
            #expect(gateway.accepted.value == 2)
            await client.shutdown()
        }
    }

    @Test(arguments: TestTransport.allCases, [true, false])
    func closedWhenIdleOrOld(_ transport: TestTransport, idle: Bool) async throws {
        let closed = Signal()
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            try await peer.finish(AnswerText.finish(), "[DONE]")
            switch transport {
            case .websocket:
                let close = try await peer.readFrame()
                #expect(close.closeCode == 1000)
            case .http1: await peer.waitForEnd()
            case .http2: try await peer.channel.parent?.closeFuture.get()
            }
            closed.fire()
        } body: { gateway in
            let client = try gateway.client() {
                if idle { $0.keepIdle = .milliseconds(50) } else { $0.maximumAge = .milliseconds(150) }
            }
            let end = try await client.start().result().end
            #expect(end == .complete)
            try await closed.wait()
            await client.shutdown()
        }
    }

    /// The connection dies while it is idle, or just when the next request goes out.
    @Test(arguments: TestTransport.allCases, ["eof", "close", "after the request"])
    func aDeadConnectionIsReplaced(_ transport: TestTransport, _ death: String) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            let id = "c\(peer.number)"
            if transport == .http2, death == "after the request", peer.number == 1 { return }
            try await peer.finish(AnswerText.chunk("hello", id: id), AnswerText.finish(id: id), "[DONE]")
            guard peer.number == 0 else { return await peer.waitForEnd() }
            switch (transport, death) {
            case (.http2, "after the request"): break
            case (.http2, _): try await peer.channel.parent?.close()
            case (.websocket, "close"): try await peer.send(ServerFrame.close(1001))
            case (_, "after the request"): _ = try await peer.readRequest()
            default: return
            }
        } body: { gateway in
            let client = try gateway.client()
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
    @Test(arguments: TestTransport.allCases)
    func aFreshOneIsNotReplaced(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
        } body: { gateway in
            let client = try gateway.client()
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_closed")
            #expect(gateway.accepted.value == 1)
            await client.shutdown()
        }
    }
}
