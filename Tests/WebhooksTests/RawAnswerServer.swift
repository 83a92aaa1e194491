import Glibc
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

@testable import Webhooks

/// Answers each request with whatever bytes a test wants, over HTTP/1.1 or as frames of HTTP/2, and closes the connection if
/// the test says so. Keeps nothing, so that it can be asked a million times.
final class RawAnswerServer: Sendable {
    struct Answer: Sendable {
        var bytes: [UInt8]
        var closes = true
    }

    private let channel: any Channel
    private let connections: Connections
    var port: Int { channel.localAddress?.port ?? 0 }

    /// Connections that were made, and those of them that are closed.
    final class Connections: Sendable {
        let counts = Mutex((made: 0, closed: 0))
    }
    var made: Int { connections.counts.withLock { $0.made } }
    var closed: Int { connections.counts.withLock { $0.closed } }

    /// - Parameters:
    ///   - tls: speaks HTTP/2 over it; `nil` is HTTP/1.1 in the clear.
    ///   - greeting: sent first, on HTTP/2.
    ///   - answer: to a request; the stream's number is 0 on HTTP/1.1.
    init(
        tls: NIOSSLContext? = nil, greeting: [UInt8] = Frames.settings(),
        answer: @escaping @Sendable (_ stream: UInt32) -> Answer
    ) async throws {
        let connections = Connections()
        self.connections = connections
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1_024)
            // RST instead of FIN leaves no port behind that could not be used for a minute.
            .childChannelInitializer { channel in
                connections.counts.withLock { $0.made += 1 }
                channel.closeFuture.whenComplete { _ in connections.counts.withLock { $0.closed += 1 } }
                (channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                    .whenFailure { _ in }
                return channel.eventLoop.makeCompletedFuture {
                    if let tls { try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls)) }
                    try channel.pipeline.syncOperations.addHandler(
                        RawAnswerHandler(isHTTP2: tls != nil, greeting: greeting, answer: answer))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func stop() async { try? await channel.close() }
}

private final class RawAnswerHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let isHTTP2: Bool
    private let greeting: [UInt8]
    private let answer: @Sendable (UInt32) -> RawAnswerServer.Answer
    private var received: [UInt8] = []
    private var hasGreeted = false
    private static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

    init(isHTTP2: Bool, greeting: [UInt8], answer: @escaping @Sendable (UInt32) -> RawAnswerServer.Answer) {
        self.isHTTP2 = isHTTP2
        self.greeting = greeting
        self.answer = answer
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += unwrapInboundIn(data).readableBytesView
        if isHTTP2 { readFrames(context) } else { readRequests(context) }
    }

    private func readRequests(_ context: ChannelHandlerContext) {
        while let end = received.firstRange(of: Array("\r\n\r\n".utf8)) {
            let head = String(decoding: received[..<end.lowerBound], as: UTF8.self).lowercased()
            let length = head.firstRange(of: "content-length: ").flatMap {
                Int(head[$0.upperBound...].prefix { $0.isNumber })
            }
            guard received.count >= end.upperBound + (length ?? 0) else { return }
            received.removeFirst(end.upperBound + (length ?? 0))
            send(answer(0), context)
        }
    }

    private func readFrames(_ context: ChannelHandlerContext) {
        if !hasGreeted {
            guard received.count >= Self.preface.count else { return }
            received.removeFirst(Self.preface.count)
            hasGreeted = true
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: greeting)), promise: nil)
        }
        while received.count >= 9 {
            let size = 9 + received[0..<3].reduce(0) { $0 << 8 | Int($1) }
            guard received.count >= size else { return }
            let (kind, flags) = (received[3], received[4])
            let stream = received[5..<9].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            received.removeFirst(size)
            if kind == 4, flags & 1 == 0 {
                context.writeAndFlush(
                    wrapOutboundOut(ByteBuffer(bytes: Frames.frame(4, flags: 1, 0, []))), promise: nil)
            }
            // The end of a request: of its body, or of a head without one.
            if (kind == 0 || kind == 1) && flags & 1 == 1 { send(answer(stream), context) }
        }
    }

    private func send(_ answer: RawAnswerServer.Answer, _ context: ChannelHandlerContext) {
        let (channel, isHTTP2) = (context.channel, isHTTP2)
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: answer.bytes))).whenComplete { _ in
            // An end, not a reset: whoever meets a reset may throw away what came before it, unread.
            if answer.closes { channel.close(mode: isHTTP2 ? .all : .output, promise: nil) }
        }
    }
}

/// Frames of HTTP/2 as bytes (RFC 9113, section 4.1), with heads in HPACK's plainest form.
enum Frames {
    static func frame(_ kind: UInt8, flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let size = payload.count
        let start: [UInt8] = [UInt8(size >> 16 & 255), UInt8(size >> 8 & 255), UInt8(size & 255), kind, flags]
        return start + number(stream) + payload
    }

    static func settings(_ values: [(UInt16, UInt32)] = []) -> [UInt8] {
        var payload: [UInt8] = []
        for (name, value) in values { payload += [UInt8(name >> 8), UInt8(name & 255)] + number(value) }
        return frame(4, flags: 0, 0, payload)
    }

    static func head(_ stream: UInt32, _ fields: [(String, String)], ends: Bool = false) -> [UInt8] {
        frame(1, flags: ends ? 5 : 4, stream, block(fields))
    }

    static func data(_ stream: UInt32, _ text: String, ends: Bool = true) -> [UInt8] {
        frame(0, flags: ends ? 1 : 0, stream, Array(text.utf8))
    }

    static func pushPromise(_ stream: UInt32, promising other: UInt32) -> [UInt8] {
        frame(
            5, flags: 4, stream,
            number(other)
                + block([(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "hooks.test")]))
    }

    static func goAway(last stream: UInt32) -> [UInt8] { frame(7, flags: 0, 0, number(stream) + number(0)) }

    static func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) } }

    /// Literals without indexing; names and values under 127 bytes.
    static func block(_ fields: [(String, String)]) -> [UInt8] {
        var block: [UInt8] = []
        for (name, value) in fields {
            block.append(0)
            for text in [name, value] {
                block.append(UInt8(text.utf8.count))
                block += text.utf8
            }
        }
        return block
    }
}
