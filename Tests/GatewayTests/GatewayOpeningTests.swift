import NIOCore
import TestSupport
import Testing

@testable import Gateway

/// A rush of jobs: so many connections are set up at once, and the other streams wait for a turn.
@Suite(.serialized, .timeLimit(.minutes(2))) struct GatewayOpeningTests {
    private static let limit = 8

    private static func answer(_ peer: TestPeer, _ requests: EventLog<String> = EventLog()) async throws {
        while let request = try? await peer.readRequest() {
            requests.append(request)
            try await peer.send(AnswerText.chunk(request, id: request))
            try await peer.finish(AnswerText.finish(id: request), "[DONE]")
        }
    }

    private static func client(
        _ gateway: TestGateway, change: (inout GatewayConfiguration) -> Void = { _ in }
    ) throws -> GatewayClient {
        try gateway.client {
            $0.maximumOpening = limit
            change(&$0)
        }
    }

    private static func start(_ count: Int, _ client: GatewayClient) async throws -> [OpenStream] {
        var streams: [OpenStream] = []
        for number in 0..<count { streams.append(try await client.start(body: "\(number)")) }
        return streams
    }

    /// Wakes those that wait for a turn, and then lets the loop turn once more.
    private static func settle() async throws {
        for _ in 0..<3 { try await GatewayClient.testLoop.submit {}.get() }
    }

    @Test func theRestWaitsForATurnAndLosesNothing() async throws {
        let (opened, requests) = (EventLog<Bool>(), EventLog<String>())
        try await TestGateway.run { peer in
            try await opened.wait("the opening", timeout: .seconds(60)) { !$0.isEmpty }
            try await peer.upgrade()
            try await Self.answer(peer, requests)
        } body: { gateway in
            let client = try Self.client(gateway)
            let streams = try await Self.start(Self.limit + 50, client)
            // One that nobody wants any more has no turn.
            try await streams[Self.limit + 7].cancel()
            try await eventually { gateway.accepted.value >= Self.limit }
            try await Self.settle()
            #expect(gateway.accepted.value == Self.limit)
            opened.append(true)
            for (number, stream) in streams.enumerated() {
                let result = try await stream.result()
                if number == Self.limit + 7 {
                    #expect(result.text.isEmpty && result.end == .cancelled)
                } else {
                    #expect(result.text == "\(number)" && result.end == .complete)
                }
            }
            let wanted = (0..<Self.limit + 50).filter { $0 != Self.limit + 7 }.map(String.init)
            #expect(requests.events.sorted() == wanted.sorted())
            await client.shutdown()
        }
    }

    /// Where nothing comes about, those that wait are told like those that try.
    @Test func aDeadGatewayKeepsNobodyWaiting() async throws {
        try await TestGateway.run { peer in
            await peer.waitForEnd()
        } body: { gateway in
            let client = try Self.client(gateway) { $0.connectTimeout = .milliseconds(500) }
            let streams = try await Self.start(Self.limit + 20, client)
            for stream in streams {
                let failure = try await stream.failure()
                #expect(failure?.code == "gateway_connect_timeout")
            }
            await client.shutdown()
        }
    }

    /// Connections come about, if slowly: whoever waits for a turn waits longer than a connection may take.
    @Test func aSlowRushIsNoFailure() async throws {
        try await TestGateway.run { peer in
            // Six times this is longer than a connection may take.
            try await Task.sleep(for: .milliseconds(250))
            try await peer.upgrade()
            try await Self.answer(peer)
            await peer.waitForEnd()
        } body: { gateway in
            let client = try Self.client(gateway) {
                $0.connectTimeout = .milliseconds(1_000)
                $0.maximumIdle = 0
            }
            let streams = try await Self.start(6 * Self.limit, client)
            for stream in streams {
                let end = try await stream.result().end
                #expect(end == .complete)
            }
            await client.shutdown()
        }
    }

    @Test func thoseThatWaitEndWithTheLoop() async throws {
        try await TestGateway.run { peer in
            await peer.waitForEnd()
        } body: { gateway in
            let client = try Self.client(gateway)
            let streams = try await Self.start(Self.limit + 5, client)
            await client.shutdown()
            for stream in streams {
                let failure = try await stream.failure()
                #expect(failure?.code == "gateway_shutdown")
            }
        }
    }

    /// While nobody knows whether the gateway speaks HTTP/2 few connections are opened, and then one serves all.
    @Test func aRushOverHTTP2SharesConnections() async throws {
        try await TestGateway.runHTTP2 { peer in
            try await Self.answer(peer)
        } body: { gateway in
            let client = try gateway.client()
            let streams = try await Self.start(60, client)
            for (number, stream) in streams.enumerated() {
                let text = try await stream.result().text
                #expect(text == "\(number)")
            }
            #expect((1...GatewayLoop.sharedOpenings).contains(gateway.accepted.value))
            await client.shutdown()
        }
    }
}

/// Waits until a condition holds that nothing tells of.
func eventually(
    within limit: Duration = .seconds(20), _ isMet: @escaping @Sendable () -> Bool
) async throws {
    try await deadline(limit) {
        while !isMet() { try await Task.sleep(for: .milliseconds(5)) }
    }
}
