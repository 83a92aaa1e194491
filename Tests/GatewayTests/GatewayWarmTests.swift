import Gateway
import NIOCore
import Testing

/// Connections that are opened before there is a job, and those that are asked whether they live.
@Suite(.timeLimit(.minutes(1))) struct GatewayWarmTests {
    private static func serve(_ peer: TestPeer) async throws {
        try await peer.open()
        var count = 0
        while (try? await peer.readRequest()) != nil {
            count += 1
            let id = "c\(peer.number)-\(count)"
            try await peer.finish(AnswerText.chunk("hi", id: id), AnswerText.finish(id: id), "[DONE]")
        }
    }

    private static func warm(_ client: GatewayClient) async throws {
        for future in client.keepWarm(on: [GatewayClient.testLoop]) { try await future.get() }
    }

    @Test(arguments: TestTransport.allCases)
    func openedAheadAndAgainWhileUsed(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer)
        } body: { gateway in
            let client = try gateway.client() {
                $0.minimumIdle = 2
                $0.warmModels = ["m", "n"]
                $0.keepIdle = .milliseconds(20)
            }
            try await Self.warm(client)
            let expected = [TestTransport.websocket: 4, .http1: 2, .http2: 1][transport] ?? 0
            let live = client.metrics.connectionsLive.load(ordering: .relaxed)
            #expect(live == expected)
            // Neither ends, and gives its connection back, before the other has one.
            let streams = try await [client.start("m", paused: true), client.start("m", paused: true)]
            // While both are in use: one that is given back needs no replacement.
            try await Self.warm(client)
            let opened = client.metrics.connectionsOpened.load(ordering: .relaxed)
            #expect(opened == (transport == .http2 ? 1 : expected + 2), "two are in use, and replaced ahead")
            for stream in streams { try await stream.resume() }
            for stream in streams {
                let events = try await stream.all()
                #expect(events.first == .started(reused: true))
                #expect(events.last == .ended(.complete))
            }
            await client.shutdown()
            #expect(client.metrics.connectionsLive.load(ordering: .relaxed) == 0)
        }
    }

    /// A warm connection that has died is replaced without a job noticing, like any other.
    @Test(arguments: [TestTransport.websocket, .http1])
    func aDeadWarmConnectionIsReplaced(_ transport: TestTransport) async throws {
        let (opened, isOpen) = AsyncStream.makeStream(of: Void.self)
        try await TestGateway.run(over: transport) { peer in
            guard peer.number == 0 else { return try await Self.serve(peer) }
            try await peer.open()
            isOpen.yield()
            // It goes away when the request has come.
            _ = try await peer.readRequest()
        } body: { gateway in
            let client = try gateway.client() {
                $0.minimumIdle = 1
                $0.warmModels = ["m"]
            }
            try await Self.warm(client)
            // Else the connection that takes its place in the pool could be accepted, and counted, first.
            for await _ in opened { break }
            let events = try await client.start().all()
            #expect(events.first == .started(reused: true) && events.last == .ended(.complete))
            #expect(client.metrics.deadConnectionsReplaced.load(ordering: .relaxed) == 1)
            await client.shutdown()
        }
    }

    @Test(arguments: TestTransport.allCases)
    func aGatewayThatIsDownIsNoHarm(_ transport: TestTransport) async throws {
        let client = try TestGateway(port: 1, accepted: .init(), transport: transport).client() {
            $0.minimumIdle = 1
            $0.warmModels = ["m"]
        }
        try await Self.warm(client)
        #expect(client.metrics.connectionsOpenedAhead.load(ordering: .relaxed) == 0)
        await client.shutdown()
    }

    @Test func answeredPingsKeepAConnection() async throws {
        let asked = Signal()
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.finish(AnswerText.chunk("hi"), AnswerText.finish(), "[DONE]")
            for _ in 0..<3 {
                let ping = try await peer.readFrame()
                #expect(ping.opcode == 9 && ping.isMasked)
                try await peer.send(ServerFrame.frame(10, ping.payload))
            }
            asked.fire()
            try await Self.answer(peer)
        } body: { gateway in
            let client = try gateway.client() { $0.pingInterval = .milliseconds(20) }
            _ = try await client.start().all()
            try await asked.wait()
            let events = try await client.start().all()
            #expect(events.first == .started(reused: true) && events.last == .ended(.complete))
            #expect(gateway.accepted.value == 1)
            await client.shutdown()
        }
    }

    /// Answers the next request; pings that come before it, too.
    private static func answer(_ peer: TestPeer) async throws {
        while true {
            let frame = try await peer.readFrame()
            if frame.opcode == 9 { try await peer.send(ServerFrame.frame(10, frame.payload)) }
            guard frame.opcode == 1 else { continue }
            try await peer.finish(AnswerText.chunk("hi", id: "b"), AnswerText.finish(id: "b"), "[DONE]")
            return await peer.waitForEnd()
        }
    }

    @Test func aMissingPongClosesIt() async throws {
        let closed = Signal()
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            try await peer.finish(AnswerText.chunk("hi"), AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
            closed.fire()
        } body: { gateway in
            let client = try gateway.client() {
                $0.pingInterval = .milliseconds(20)
                $0.pongTimeout = .milliseconds(100)
            }
            _ = try await client.start().all()
            try await closed.wait()
            #expect(client.metrics.silentConnectionsClosed.load(ordering: .relaxed) == 1)
            await client.shutdown()
        }
    }

    /// Over HTTP/2 the connection is asked as a whole: one that does not read any more is closed.
    @Test(arguments: [true, false])
    func http2IsAsked(isAlive: Bool) async throws {
        let closed = Signal()
        try await TestGateway.run(over: .http2) { peer in
            _ = try await peer.readRequest()
            try await peer.finish(AnswerText.chunk("hi"), AnswerText.finish(), "[DONE]")
            let connection = peer.channel.parent
            if !isAlive { try await connection?.setOption(.autoRead, value: false).get() }
            try await connection?.closeFuture.get()
            closed.fire()
        } body: { gateway in
            let client = try gateway.client() {
                $0.pingInterval = .milliseconds(20)
                // While it is idle a live one is asked often, and has answered in time each time.
                $0.pongTimeout = isAlive ? .seconds(1) : .milliseconds(100)
                $0.keepIdle = isAlive ? .milliseconds(2_500) : .seconds(60)
            }
            _ = try await client.start().all()
            // By the client: idle for too long, or silent.
            try await closed.wait()
            #expect(client.metrics.silentConnectionsClosed.load(ordering: .relaxed) == (isAlive ? 0 : 1))
            await client.shutdown()
        }
    }
}
