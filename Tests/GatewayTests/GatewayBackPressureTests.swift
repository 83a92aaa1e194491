import Gateway
import NIOCore
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct GatewayBackPressureTests {
    /// A paused stream is not read: the gateway's writes stall, and everything comes after the pause, in order.
    @Test(arguments: TestTransport.allCases)
    func pausePushesBack(_ transport: TestTransport) async throws {
        let count = 400
        let padding = String(repeating: "x", count: 80_000)
        let sent = Atomic<Int>(0)
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            for number in 0..<count {
                try await peer.send(AnswerText.chunk("\(number):\(padding)"))
                sent.store(number + 1, ordering: .relaxed)
            }
            try await peer.finish(AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client() { $0.idleTimeout = .seconds(1) }
            let stream = try await client.start(paused: true)
            try await stream.wait(for: .started(reused: false))
            // Longer than the idle timeout, which must rest meanwhile; unhindered, everything is sent in that time.
            try await Task.sleep(for: .milliseconds(1500))
            let before = sent.load(ordering: .relaxed)
            #expect(before < count, "32 MB do not fit into the kernel's buffers")
            try await stream.resume()
            let events = try await stream.all()
            #expect(events.last == .ended(.complete))
            let texts = events.compactMap { if case .chunk(let text) = $0 { text } else { nil } }
            #expect(texts.dropLast().map { $0.prefix { $0 != ":" } } == (0..<count).map { "\($0)" })
            await client.shutdown()
        }
    }

    /// A pause from within the handler holds back the rest of the same segment.
    @Test(arguments: TestTransport.allCases)
    func pauseWithinASegment(_ transport: TestTransport) async throws {
        try await TestGateway.run(over: transport) { peer in
            try await peer.open()
            _ = try await peer.readRequest()
            let chunks = (0..<5).flatMap { peer.message(AnswerText.chunk("\($0)")) }
            try await peer.send(chunks + peer.message(AnswerText.finish()) + peer.message("[DONE]") + peer.end())
        } body: { gateway in
            let client = try gateway.client()
            let (texts, continuation) = AsyncStream<String>.makeStream()
            let box = try await GatewayClient.testLoop.submit {
                let handler = PausingHandler(continuation)
                handler.stream = client.open(
                    .init(model: "m", body: .init(string: "{}")), on: GatewayClient.testLoop, handler: handler)
                return NIOLoopBound(handler, eventLoop: GatewayClient.testLoop)
            }.get()
            // Each resume brings exactly one more chunk, also after the gateway has closed the connection.
            let seen = try await deadline {
                var seen: [String] = []
                for await text in texts {
                    seen.append(text)
                    let all = seen.joined()
                    try await box.eventLoop.submit {
                        #expect(box.value.received == all)
                        box.value.stream?.resumeReading()
                    }.get()
                }
                return seen
            }
            #expect(seen == ["0", "1", "2", "3", "4", ""])
            let end = try await box.eventLoop.submit { box.value.end }.get()
            #expect(end == .complete)
            await client.shutdown()
        }
    }

    @Test(arguments: [true, false])
    func limits(fragmented: Bool) async throws {
        let answered = Signal()
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            let half = [UInt8](repeating: 0x20, count: 600_000)
            if fragmented {
                try await peer.send(ServerFrame.frame(1, half, fin: false))
                try await peer.send(ServerFrame.frame(0, half))
            } else {
                try await peer.send(ServerFrame.frame(1, half + half))
            }
            let close = try await peer.readFrame()
            #expect(close.closeCode == 1009)
            answered.fire()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_message_too_large")
            try await answered.wait()
            await client.shutdown()
        }
    }

    /// A message of almost 1 MiB passes, in one frame or many.
    /// An event that ends and one that does not.
    @Test(arguments: [TestTransport.http1, .http2], [true, false])
    func eventLimits(_ transport: TestTransport, isWhole: Bool) async throws {
        try await TestGateway.run(over: transport) { peer in
            _ = try await peer.readRequest()
            let text = "data: " + String(repeating: "x", count: 1_200_000) + (isWhole ? "\n\n" : "")
            try await peer.send(peer.message(AnswerText.chunk("a")) + peer.body(Array(text.utf8)))
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let failure = try await client.start().failure()
            #expect(failure?.code == "gateway_message_too_large")
            await client.shutdown()
        }
    }

    /// A message of almost 1 MiB passes as one event, however it is cut.
    @Test(arguments: [TestTransport.http1, .http2], [1, 100])
    func largeEvents(_ transport: TestTransport, pieces: Int) async throws {
        let text = String(repeating: "가", count: 340_000)
        try await TestGateway.run(over: transport) { peer in
            _ = try await peer.readRequest()
            let bytes = Array("data: \(AnswerText.chunk(text))\n\n".utf8)
            let size = bytes.count / pieces + 1
            for start in stride(from: 0, to: bytes.count, by: size) {
                try await peer.send(peer.body(Array(bytes[start..<min(start + size, bytes.count)])))
            }
            try await peer.finish(AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try gateway.client()
            let result = try await client.start().result()
            #expect(result.text == text)
            #expect(result.end == .complete)
            await client.shutdown()
        }
    }

    @Test(arguments: [1, 100])
    func largeMessages(fragments: Int) async throws {
        let text = String(repeating: "가", count: 340_000)
        let message = Array(AnswerText.chunk(text).utf8)
        try await TestGateway.run { peer in
            try await peer.upgrade()
            _ = try await peer.readRequest()
            let size = message.count / fragments + 1
            for start in stride(from: 0, to: message.count, by: size) {
                let end = min(start + size, message.count)
                try await peer.send(
                    ServerFrame.frame(start == 0 ? 1 : 0, Array(message[start..<end]), fin: end == message.count))
            }
            try await peer.send(AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try GatewayClient.test(port: gateway.port)
            let result = try await client.start().result()
            #expect(result.text == text)
            #expect(result.end == .complete)
            await client.shutdown()
        }
    }
}
