import Logging
import NIOCore
import Synchronization
import Testing

@testable import Gateway

/// Several keys of one gateway.
@Suite(.timeLimit(.minutes(1))) struct GatewayKeyTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000)

    @Test func keysTakeTurns() {
        let now = Self.start
        var ring = KeyRing(count: 3)
        var order = (0..<4).map { _ in ring.next(for: "m", now: now) }
        #expect(order == [0, 1, 2, 0])
        #expect(ring.refused(1, .unauthorized, model: "m", now: now) == .setAside(.minutes(1)))
        #expect(ring.refused(1, .unauthorized, model: "m", now: now) == .known, "of requests that went out together")
        order = (0..<3).map { _ in ring.next(for: "m", now: now) }
        #expect(!order.contains(1) && Set(order) == [0, 2])
        let other = ring.next(for: "m", besides: [0], now: now)
        #expect(other == 2)
        #expect(ring.next(for: "m", besides: [0, 2], now: now) == nil)
        #expect(ring.refused(0, .unauthorized, model: "m", now: now) == .setAside(.minutes(1)))
        #expect(ring.refused(2, .unauthorized, model: "m", now: now) == .last)
        #expect(ring.refused(2, .unauthorized, model: "m", now: now) == .known)
        #expect(ring.next(for: "m", now: now) != nil, "with none left one is asked all the same")
        ring.replace(with: [0, 1])
        #expect(ring.good(for: "m") == [0, 1], "after a reload all may be tried")
    }

    /// A key that was refused is tried again by one request at a time, and each refusal makes its rest longer.
    @Test func aRefusedKeyComesBack() {
        var now = Self.start
        var ring = KeyRing(count: 2)
        #expect(ring.refused(0, .unauthorized, model: "m", now: now) == .setAside(.minutes(1)))
        for length in [2, 4, 8, 16, 32, 60, 60] as [Int64] {
            now = now + .minutes(length)
            let turns = (0..<4).map { _ in ring.next(for: "m", now: now) }
            #expect(turns.count { $0 == 0 } == 1, "one tries it: \(turns)")
            #expect(ring.refused(0, .unauthorized, model: "m", now: now) == .setAside(.minutes(length)))
            #expect(!(0..<4).contains { _ in ring.next(for: "m", now: now + .minutes(length) - .seconds(1)) == 0 })
        }
        now = now + .hours(1)
        _ = (0..<2).map { _ in ring.next(for: "m", now: now) }
        let isBack = ring.accepted(0, model: "m")
        #expect(isBack && ring.good(for: "m") == [0, 1])
        let isTold = ring.accepted(0, model: "m")
        #expect(!isTold)
        #expect(ring.refused(0, .unauthorized, model: "m", now: now) == .setAside(.minutes(1)), "it begins anew")
    }

    /// 403 concerns a model, for a while; and models are named by jobs.
    @Test func whatAKeyMayNotDo() {
        var now = Self.start
        var ring = KeyRing(count: 2)
        #expect(ring.refused(0, .forbidden, model: "big", now: now) == .setAside(.seconds(30)))
        #expect(ring.good(for: "big") == [1] && ring.good(for: "small") == [0, 1])
        #expect((0..<4).allSatisfy { _ in ring.next(for: "big", now: now) == 1 })
        #expect(Set((0..<2).map { _ in ring.next(for: "small", now: now) }) == [0, 1])
        let isOther = ring.accepted(0, model: "small")
        #expect(!isOther && ring.good(for: "big") == [1], "another model's answer says nothing about it")
        now = now + .seconds(30)
        #expect((0..<4).count { _ in ring.next(for: "big", now: now) == 0 } == 1)
        let isBack = ring.accepted(0, model: "big")
        #expect(isBack && ring.good(for: "big") == [0, 1])
        for number in 0..<5_000 { _ = ring.refused(number % 2, .forbidden, model: "m\(number)", now: now) }
        #expect(ring.pairCount <= KeyRing.mostPairs)
    }

    /// A connection that was opened without a key is not one of the key that came later.
    @Test func keysKeepTheirPlaces() {
        var configuration = GatewayConfiguration(
            name: "g", endpoint: .init(isSecure: true, host: "h", port: 1, path: "/"), apiKey: "")
        configuration.keys = []
        let keys = GatewayKeys(configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        #expect(keys.next(for: "m") == 0 && !keys.isSeveral)
        keys.replace(with: [GatewayKey(source: "f", secret: "sk-test")])
        #expect(keys.next(for: "m") == 1 && keys.isSeveral)
        #expect(keys[0].secret.isEmpty && keys[1].secret == "sk-test")
        keys.replace(with: [])
        #expect(keys.next(for: "m") == 0)
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

    /// A prompt that is refused for what it says is not sent with every key in turn, and no key suffers for it.
    @Test(
        arguments: TestTransport.allCases,
        [
            #"{"error":{"message":"x","code":"content_policy_violation"}}"#,
            #"{"code":"The caller does not have permission","error":"Content violates usage guidelines. Failed check: S"}"#,
            #"{"error":{"code":403,"message":"Your input was flagged","metadata":{"flagged_input":"x"}}}"#,
            "<html>Blocked: prohibited content</html>",
        ])
    func aRefusedPromptCostsNoKey(_ transport: TestTransport, _ body: String) async throws {
        let seen = Seen()
        let log = Log()
        try await TestGateway.run(over: transport) { peer in
            if transport == .websocket { try await peer.upgrade() }
            var count = 0
            while let request = try? await peer.readRequest() {
                seen.keys.withLock { $0.append("request") }
                if request.contains("wicked") {
                    if transport == .websocket {
                        // A message has no status of its own, and is JSON.
                        guard body.hasPrefix("{") else {
                            return try await peer.send(#"{"error":"prohibited content"}"#)
                        }
                        return try await peer.send(body)
                    }
                    try await peer.answer("403 Forbidden", body: body)
                    continue
                }
                count += 1
                let id = "c\(peer.number)-\(count)"
                try await peer.finish(AnswerText.chunk("hi", id: id), AnswerText.finish(id: id), "[DONE]")
            }
        } body: { gateway in
            let client = try Self.client(gateway, ["sk-good-1", "sk-good-2", "sk-good-3"], log)
            let failure = try await client.start(body: #"{"messages":["wicked"]}"#).failure()
            #expect(failure?.code == "gateway_content_filter", "\(failure as Any)")
            #expect(seen.keys.withLock { $0.count } == 1)
            for _ in 0..<3 {
                let (text, end) = try await client.start().result()
                #expect(text == "hi" && end == .complete)
            }
            await client.shutdown()
        }
        #expect(log.lines.withLock { $0 }.filter { $0.hasPrefix("error") } == [])
    }

    /// A 403 in words that nobody knows: two keys see the prompt at most, and other prompts still have every key.
    @Test(arguments: [TestTransport.http1, .http2])
    func anUnknownRefusalIsNotSentWithEveryKey(_ transport: TestTransport) async throws {
        let seen = Seen()
        try await TestGateway.run(over: transport) { peer in
            var count = 0
            while let request = try? await peer.readRequest() {
                let line = peer.requestHead.first { $0.lowercased().hasPrefix("authorization: ") } ?? ""
                seen.keys.withLock { $0.append(String(line.split(separator: " ").last ?? "")) }
                if request.contains("wicked") {
                    try await peer.answer("403 Forbidden", body: "{}")
                    continue
                }
                count += 1
                let id = "c\(peer.number)-\(count)"
                try await peer.finish(AnswerText.chunk("hi", id: id), AnswerText.finish(id: id), "[DONE]")
            }
        } body: { gateway in
            let keys = (0..<5).map { "sk-good-\($0)" }
            let client = try Self.client(gateway, keys, Log())
            for model in ["a", "b"] {
                let failure = try await client.start(model, body: #"{"messages":["wicked"]}"#).failure()
                #expect(failure?.code == "gateway_forbidden")
            }
            #expect(seen.keys.withLock { $0.count } == 4)
            for _ in 0..<5 {
                let (text, end) = try await client.start("c").result()
                #expect(text == "hi" && end == .complete)
            }
            #expect(Set(seen.keys.withLock { $0.suffix(5) }) == Set(keys))
            await client.shutdown()
        }
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
