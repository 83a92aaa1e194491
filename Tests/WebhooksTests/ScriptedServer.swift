import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

@testable import Webhooks

/// A TCP (or TLS) server that reads whole HTTP/1.1 requests and answers each with whatever bytes a test wants, or none.
final class ScriptedServer: Sendable {
    enum Reaction: Sendable {
        /// The connection stays open.
        case reply(String)
        case replyBytes([UInt8])
        case replyAndClose(String)
        /// RST instead of FIN.
        case reset
        case silence
        /// The head, then one piece after each pause, for ever.
        case drip(head: String, piece: String, pause: TimeAmount)
        /// The head, then bytes as fast as they are taken, for ever.
        case endless(head: String)
        /// When `release()` is called; the request counts as active until then.
        case held(String)
        /// After a pause; the request counts as active until then.
        case later(String, TimeAmount)
    }

    struct Request: Sendable {
        var line: String
        /// Names in lower case.
        var headers: [String: String]
        var body: [UInt8]
        /// Counted from 1.
        var connection: Int
        var localAddress: String
    }

    struct Seen: Sendable {
        var accepted = 0
        var closed = 0
        var bytesRead = 0
        var bytesWritten = 0
        var requests: [Request] = []
        var active = 0
        var mostActive = 0
    }

    private struct Waiter {
        let condition: @Sendable (Seen) -> Bool
        let promise: EventLoopPromise<Bool>
    }

    private let state = Mutex<(seen: Seen, waiters: [Waiter])>((Seen(), []))
    private let channel = Mutex<(any Channel)?>(nil)
    private let held = Mutex<[@Sendable () -> Void]>([])
    let script: @Sendable (Request) -> Reaction

    private init(script: @escaping @Sendable (Request) -> Reaction) {
        self.script = script
    }

    static func start(
        host: String = "127.0.0.1", tls: NIOSSLContext? = nil, script: @escaping @Sendable (Request) -> Reaction
    ) async throws -> ScriptedServer {
        let server = ScriptedServer(script: script)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(ScriptedHandler(server: server))
                }
            }
            .bind(host: host, port: 0).get()
        server.channel.withLock { $0 = channel }
        return server
    }

    /// Starts one, runs `body`, stops it.
    static func with<T>(
        host: String = "127.0.0.1", tls: NIOSSLContext? = nil, script: @escaping @Sendable (Request) -> Reaction,
        body: (ScriptedServer) async throws -> T
    ) async throws -> T {
        let server = try await Self.start(host: host, tls: tls, script: script)
        do {
            let result = try await body(server)
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }

    var port: Int { self.channel.withLock { $0?.localAddress?.port } ?? 0 }
    var seen: Seen { self.state.withLock { $0.seen } }

    func stop() async {
        let channel = self.channel.withLock { $0 }
        try? await channel?.close()
    }

    func hold(_ answer: @escaping @Sendable () -> Void) {
        self.held.withLock { $0.append(answer) }
    }

    /// Lets the held answers go, in order.
    func release() {
        let answers = self.held.withLock { held in
            defer { held = [] }
            return held
        }
        for answer in answers { answer() }
    }

    func record(_ change: @Sendable (inout Seen) -> Void) {
        let met = self.state.withLock { state in
            change(&state.seen)
            let met = state.waiters.filter { $0.condition(state.seen) }
            state.waiters.removeAll { $0.condition(state.seen) }
            return met
        }
        for waiter in met { waiter.promise.succeed(true) }
    }

    /// Waits for the event, at most ten seconds.
    func waits(for condition: @escaping @Sendable (Seen) -> Bool) async -> Bool {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        let promise = loop.makePromise(of: Bool.self)
        let timer = loop.scheduleTask(in: .seconds(10)) { promise.succeed(false) }
        self.state.withLock { $0.waiters.append(Waiter(condition: condition, promise: promise)) }
        self.record { _ in }
        defer { timer.cancel() }
        return (try? await promise.futureResult.get()) ?? false
    }

    /// Connections that were made to the server up to now. Accepting is in order, so a connection of the test's own
    /// tells that all earlier ones were counted.
    func connectionsMade() async throws -> Int {
        let before = self.seen.accepted
        let own = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connect(host: "127.0.0.1", port: self.port).get()
        _ = await self.waits { $0.accepted > before }
        try await own.close()
        return self.seen.accepted - 1
    }
}

private final class ScriptedHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let server: ScriptedServer
    private var received: [UInt8] = []
    private var number = 0

    init(server: ScriptedServer) {
        self.server = server
    }

    func channelActive(context: ChannelHandlerContext) {
        self.server.record { $0.accepted += 1 }
        self.number = self.server.seen.accepted
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.server.record { $0.closed += 1 }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let bytes = Array(self.unwrapInboundIn(data).readableBytesView)
        self.received += bytes
        self.server.record { $0.bytesRead += bytes.count }
        while let request = self.nextRequest(context.channel) {
            let reaction = self.server.script(request)
            // A held answer can be released by whoever sees the request.
            if case .held = reaction { self.react(reaction, context.channel) }
            self.server.record {
                $0.requests.append(request)
                $0.active += 1
                $0.mostActive = max($0.mostActive, $0.active)
            }
            if case .held = reaction { continue }
            self.react(reaction, context.channel)
        }
    }

    private func nextRequest(_ channel: any Channel) -> ScriptedServer.Request? {
        guard let end = self.received.firstRange(of: Array("\r\n\r\n".utf8)) else { return nil }
        var lines = String(decoding: self.received[..<end.lowerBound], as: UTF8.self).split(separator: "\r\n")
        let line = String(lines.removeFirst())
        var headers: [String: String] = [:]
        for header in lines {
            let parts = header.split(separator: ":", maxSplits: 1)
            headers[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
        }
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        guard self.received.count >= end.upperBound + length else { return nil }
        let body = Array(self.received[end.upperBound..<end.upperBound + length])
        self.received.removeFirst(end.upperBound + length)
        return .init(
            line: line, headers: headers, body: body, connection: self.number,
            localAddress: channel.localAddress?.ipAddress ?? "")
    }

    private func react(_ reaction: ScriptedServer.Reaction, _ channel: any Channel) {
        let server = self.server
        switch reaction {
        case .reply(let text):
            server.record { $0.active -= 1 }
            channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
        case .replyBytes(let bytes):
            server.record { $0.active -= 1 }
            channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
        case .replyAndClose(let text):
            server.record { $0.active -= 1 }
            channel.writeAndFlush(ByteBuffer(string: text)).whenComplete { _ in channel.close(promise: nil) }
        case .reset:
            server.record { $0.active -= 1 }
            (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                .whenComplete { _ in channel.close(promise: nil) }
        case .silence:
            break
        case .drip(let head, let piece, let pause):
            channel.writeAndFlush(ByteBuffer(string: head), promise: nil)
            channel.eventLoop.scheduleRepeatedTask(initialDelay: pause, delay: pause) { task in
                channel.writeAndFlush(ByteBuffer(string: piece)).whenFailure { _ in task.cancel() }
            }
        case .endless(let head):
            channel.writeAndFlush(ByteBuffer(string: head), promise: nil)
            Self.pour(server, channel)
        case .held(let text):
            server.hold {
                server.record { $0.active -= 1 }
                channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
            }
        case .later(let text, let pause):
            channel.eventLoop.scheduleTask(in: pause) {
                server.record { $0.active -= 1 }
                channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
            }
        }
    }

    private static func pour(_ server: ScriptedServer, _ channel: any Channel) {
        let piece = ByteBuffer(repeating: UInt8(ascii: "x"), count: 16_384)
        channel.writeAndFlush(piece).whenSuccess {
            server.record { $0.bytesWritten += 16_384 }
            channel.eventLoop.execute { Self.pour(server, channel) }
        }
    }
}

/// Talks first, whatever the client is about to say.
final class GreetingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let greeting: String
    private let closes: Bool

    init(greeting: String, closes: Bool) {
        self.greeting = greeting
        self.closes = closes
    }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        channel.writeAndFlush(ByteBuffer(string: self.greeting)).whenComplete { [closes] _ in
            if closes { channel.close(promise: nil) }
        }
    }
}
