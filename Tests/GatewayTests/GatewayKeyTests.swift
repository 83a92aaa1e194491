import Logging
import Synchronization
import Testing

@testable import Gateway

/// Several keys of one gateway.
@Suite(.timeLimit(.minutes(1))) struct GatewayKeyTests {
    @Test func keysTakeTurns() {
        var ring = KeyRing(count: 3)
        var order = (0..<4).map { _ in ring.next() }
        #expect(order == [0, 1, 2, 0])
        #expect(ring.refused(1) == .setAside)
        #expect(ring.refused(1) == .known)
        order = (0..<3).map { _ in ring.next() }
        #expect(!order.contains(1) && Set(order) == [0, 2])
        let other = ring.next(besides: [0])
        #expect(other == 2)
        #expect(ring.next(besides: [0, 2]) == nil)
        #expect(ring.refused(0) == .setAside)
        #expect(ring.refused(2) == .last)
        #expect(ring.refused(2) == .known)
        #expect(ring.next() == 2, "the last one stays: not every refusal is meant for all requests")
    }

    /// A connection that was opened without a key is not one of the key that came later.
    @Test func keysKeepTheirPlaces() {
        var configuration = GatewayConfiguration(
            name: "g", endpoint: .init(isSecure: true, host: "h", port: 1, path: "/"), apiKey: "")
        configuration.keys = []
        let keys = GatewayKeys(configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        #expect(keys.next() == 0 && !keys.isSeveral)
        keys.replace(with: [GatewayKey(source: "f", secret: "sk-test")])
        #expect(keys.next() == 1 && keys.isSeveral)
        #expect(keys[0].secret.isEmpty && keys[1].secret == "sk-test")
        keys.replace(with: [])
        #expect(keys.next() == 0)
    }

    /// What the client logged, as text.
    private final class Log: LogHandler, Sendable {
        let lines = Mutex<[String]>([])
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { nil }
            set {}
        }
        var metadata: Logger.Metadata {
            get { [:] }
            set {}
        }
        var logLevel: Logger.Level {
            get { .trace }
            set {}
        }
        func log(event: LogEvent) {
            lines.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
        }
    }

    /// The keys that came, in order.
    private final class Seen: Sendable {
        let keys = Mutex<[String]>([])
    }

    /// Lets in whoever has a key that begins with `sk-good`; refuses others with this status, one after the other.
    private static func serve(_ peer: TestPeer, _ status: Int, _ seen: Seen) async throws {
        func refuses(_ head: [String]) -> Bool {
            let line = head.first { $0.lowercased().hasPrefix("authorization: ") } ?? ""
            seen.keys.withLock { $0.append(String(line.split(separator: " ").last ?? "")) }
            return !line.contains("sk-good")
        }
        let refusal = Array("HTTP/1.1 \(status) No\r\nContent-Length: 2\r\n\r\n{}".utf8)
        if peer.transport == .websocket {
            let head = try await peer.readHead()
            if refuses(head) { return try await peer.send(refusal) }
            try await peer.send(TestPeer.acceptance(head))
        }
        var count = 0
        while (try? await peer.readRequest()) != nil {
            if peer.transport != .websocket, refuses(peer.requestHead) {
                try await peer.send(refusal)
                try await peer.endAnswer()
                continue
            }
            count += 1
            let id = "c\(peer.number)-\(count)"
            try await peer.finish(AnswerText.chunk("hi", id: id), AnswerText.finish(id: id), "[DONE]")
        }
    }

    private static func client(_ gateway: TestGateway, _ keys: [String], _ log: Log) throws -> GatewayClient {
        var configuration = try gateway.client().configuration
        configuration.keys = keys.enumerated().map { GatewayKey(source: "key-file-\($0)", secret: $1) }
        return try GatewayClient(configuration: configuration, logger: Logger(label: "test") { _ in log })
    }

    /// A request that meets a refused key is sent again with the next one, and nobody notices but the log.
    @Test(arguments: TestTransport.allCases, [401, 403])
    func aRefusedKeyIsSetAside(_ transport: TestTransport, _ status: Int) async throws {
        let seen = Seen()
        let log = Log()
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer, status, seen)
        } body: { gateway in
            let client = try Self.client(gateway, ["sk-bad-1", "sk-good-2", "sk-good-3"], log)
            for _ in 0..<6 {
                let (text, end) = try await client.start().result()
                #expect(text == "hi" && end == .complete)
            }
            await client.shutdown()
        }
        let keys = seen.keys.withLock { $0 }
        #expect(keys.count { $0 == "sk-bad-1" } == 1, "\(keys)")
        #expect(Set(keys) == ["sk-bad-1", "sk-good-2", "sk-good-3"], "the others take turns")
        let errors = log.lines.withLock { $0 }.filter { $0.hasPrefix("error") }
        #expect(errors.count == 1 && errors.first?.contains("key-file-0") == true, "\(errors)")
        #expect(!log.lines.withLock { $0 }.joined().contains("sk-"))
    }

    @Test(arguments: TestTransport.allCases)
    func withoutAGoodKeyTheJobFails(_ transport: TestTransport) async throws {
        let seen = Seen()
        let log = Log()
        try await TestGateway.run(over: transport) { peer in
            try await Self.serve(peer, 403, seen)
        } body: { gateway in
            let client = try Self.client(gateway, ["sk-bad-1", "sk-bad-2"], log)
            for _ in 0..<2 {
                let failure = try await client.start().failure()
                #expect(failure?.code == "gateway_forbidden" && failure?.status == 403)
                #expect(failure?.isRetryable == false)
            }
            await client.shutdown()
        }
        let errors = log.lines.withLock { $0 }.filter { $0.hasPrefix("error") }
        #expect(errors.count == 2 && errors.last?.contains("no other is left") == true, "\(errors)")
    }

    /// Said in a message, after the upgrade.
    @Test func aKeyRefusedInAMessage() async throws {
        try await TestGateway.run { peer in
            let head = try await peer.upgrade()
            _ = try await peer.readRequest()
            if head.contains(where: { $0.contains("sk-bad") }) {
                return try await peer.send(#"{"type":"error","code":"invalid_api_key","message":"m"}"#)
            }
            try await peer.finish(AnswerText.chunk("hi"), AnswerText.finish(), "[DONE]")
            await peer.waitForEnd()
        } body: { gateway in
            let client = try Self.client(gateway, ["sk-bad-1", "sk-good-2"], Log())
            let (text, end) = try await client.start().result()
            #expect(text == "hi" && end == .complete)
            await client.shutdown()
        }
    }
}
