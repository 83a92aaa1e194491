import NIOCore
import NIOPosix
import Synchronization

/// An HTTP proxy that knows CONNECT and nothing else.
final class TestProxy: Sendable {
    let port: Int
    private let listener: any Channel
    private let heads: Heads

    /// What was asked of it.
    private final class Heads: Sendable {
        let all = Mutex<[String]>([])
    }

    /// The heads of all requests, in lines.
    var requests: [String] { heads.all.withLock { $0 } }

    /// - Parameters:
    ///   - credentials: the value of `Proxy-Authorization` that it asks for.
    ///   - answer: instead of a tunnel; then it closes, unless it is empty.
    ///   - acceptance: what it says before it is a tunnel.
    init(
        host: String = "127.0.0.2", credentials: String? = nil, answer: String? = nil,
        acceptance: String = "HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n"
    ) async throws {
        let heads = Heads()
        self.heads = heads
        listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let handler = Entrance(acceptance: acceptance) { head in
                        heads.all.withLock { $0.append(head) }
                        if let answer { return answer }
                        guard let credentials, !head.contains("\r\nProxy-Authorization: \(credentials)\r\n") else {
                            return nil
                        }
                        return "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n"
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
            .bind(host: host, port: 0).get()
        port = listener.localAddress?.port ?? 0
    }

    func close() async throws { try await listener.close() }

    /// Reads the request's head, then answers or becomes a tunnel.
    private final class Entrance: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        private let acceptance: String
        private let judge: (String) -> String?
        private var head = ByteBuffer()
        private var isDecided = false

        init(acceptance: String, judge: @escaping (String) -> String?) {
            self.acceptance = acceptance
            self.judge = judge
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var part = unwrapInboundIn(data)
            head.writeBuffer(&part)
            let text = String(buffer: head)
            guard !isDecided, text.hasSuffix("\r\n\r\n") else { return }
            isDecided = true
            if let answer = judge(text) {
                guard !answer.isEmpty else { return }
                let channel = context.channel
                return context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: answer))).assumeIsolated()
                    .whenComplete { _ in channel.close(promise: nil) }
            }
            let target = text.split(separator: " ")[1]
            let colon = target.lastIndex(of: ":") ?? target.startIndex
            let host = String(target[..<colon]), port = Int(target[target.index(after: colon)...]) ?? 0
            let context = NIOLoopBound(context, eventLoop: context.eventLoop)
            ClientBootstrap(group: context.value.eventLoop).channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Relay(to: context.value.channel))
                }
            }
            .connect(host: host, port: port).assumeIsolated().whenComplete { result in
                let context = context.value
                guard case .success(let far) = result else { return context.close(promise: nil) }
                try? context.pipeline.syncOperations.addHandler(Relay(to: far))
                context.writeAndFlush(self.wrapOutboundOut(ByteBuffer(string: self.acceptance)), promise: nil)
                context.pipeline.syncOperations.removeHandler(self, promise: nil)
            }
        }
    }

    /// Passes everything on.
    private final class Relay: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let far: any Channel

        init(to far: any Channel) { self.far = far }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            far.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { far.close(promise: nil) }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
