import NIOCore
import NIOPosix
import Synchronization

/// An HTTP server of a few lines that answers every request with the same bytes, piece by piece, and keeps what it was
/// asked. After the last piece it closes, or with `hangs` waits for the client to.
final class ScriptedUpstream: Sendable {
    let port: Int
    private let listener: any Channel
    private let state: State

    final class State: Sendable {
        let requests = Mutex<[String]>([])
        let closed: AsyncStream<Void>.Continuation
        let closes: AsyncStream<Void>

        init() { (closes, closed) = AsyncStream.makeStream() }
    }

    private init(port: Int, listener: any Channel, state: State) {
        self.port = port
        self.listener = listener
        self.state = state
    }

    var url: String { "http://127.0.0.1:\(port)" }
    var requests: [String] { state.requests.withLock { $0 } }

    static func start(pieces: [[UInt8]], hangs: Bool = false) async throws -> ScriptedUpstream {
        let state = State()
        let listener = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ScriptHandler(state: state, pieces: pieces, hangs: hangs))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return ScriptedUpstream(port: listener.localAddress?.port ?? 0, listener: listener, state: state)
    }

    /// Returns when a client has closed its connection.
    func waitForClose() async {
        for await _ in state.closes { return }
    }

    func stop() async { try? await listener.close() }
}

/// Lives on the connection's event loop.
private final class ScriptHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let state: ScriptedUpstream.State
    private let pieces: [[UInt8]]
    private let hangs: Bool
    private var request = ""
    private var isAnswering = false

    init(state: ScriptedUpstream.State, pieces: [[UInt8]], hangs: Bool) {
        self.state = state
        self.pieces = pieces
        self.hangs = hangs
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        request += String(buffer: unwrapInboundIn(data))
        let parts = request.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
        guard !isAnswering, parts.count == 2,
            let line = parts[0].lowercased().split(separator: "\r\n").first(where: { $0.hasPrefix("content-length:") }),
            let length = Int(line.dropFirst("content-length: ".count)), parts[1].utf8.count >= length
        else { return }
        isAnswering = true
        state.requests.withLock { $0.append(request) }
        send(0, context: context)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.closed.yield()
    }

    /// One piece for each turn of the event loop, so that they travel apart.
    private func send(_ index: Int, context: ChannelHandlerContext) {
        guard index < pieces.count else {
            if !hangs { context.close(promise: nil) }
            return
        }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: pieces[index])), promise: nil)
        context.eventLoop.assumeIsolated().scheduleTask(in: .microseconds(200)) {
            self.send(index + 1, context: context)
        }
    }
}
