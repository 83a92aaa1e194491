import NIOCore
import NIOPosix
import Synchronization

/// A proxy: answers CONNECT, whatever the host, and passes on bytes to a port of this machine.
final class TunnelServer: Sendable {
    private let channel: any Channel
    private let seen: Seen
    var port: Int { channel.localAddress?.port ?? 0 }
    /// The first line of each request, without the version.
    var asked: [String] { seen.lines.withLock { $0 } }

    final class Seen: Sendable {
        let lines = Mutex<[String]>([])
    }

    /// - Parameter port: to which every tunnel leads.
    init(port: Int) async throws {
        let seen = Seen()
        self.seen = seen
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(ConnectHandler(seen: seen, port: port))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func stop() async { try? await channel.close() }
}

private final class ConnectHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let seen: TunnelServer.Seen
    private let port: Int
    private var head: [UInt8] = []
    private var target: (any Channel)?

    init(seen: TunnelServer.Seen, port: Int) {
        self.seen = seen
        self.port = port
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        if let target { return target.writeAndFlush(buffer, promise: nil) }
        head += buffer.readableBytesView
        guard head.suffix(4) == Array("\r\n\r\n".utf8)[...] else { return }
        let line = String(decoding: head.prefix { $0 != 0x0D }, as: UTF8.self)
        seen.lines.withLock { $0.append(line.replacing(" HTTP/1.1", with: "")) }
        let client = context.channel
        let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        ClientBootstrap(group: context.eventLoop)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(PassingHandler(client: client))
                }
            }
            .connect(host: "127.0.0.1", port: port)
            .whenSuccess { target in
                let (handler, context) = bound.value
                handler.target = target
                context.writeAndFlush(
                    handler.wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 200 Connection established\r\n\r\n")),
                    promise: nil)
            }
    }

    func channelInactive(context: ChannelHandlerContext) { target?.close(promise: nil) }
}

private final class PassingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let client: any Channel

    init(client: any Channel) { self.client = client }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        client.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { client.close(promise: nil) }
}
