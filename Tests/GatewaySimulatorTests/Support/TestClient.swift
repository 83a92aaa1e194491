import ChatModel
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOWebSocket

/// A WebSocket client that shows everything it gets.
final class TestClient: Sendable {
    enum Event: Sendable, Equatable {
        case message(Message)
        case ping
        case close(UInt16?)
        /// The connection ended; `true` after an error such as a reset.
        case ended(withError: Bool)
    }

    struct Message: Sendable, Equatable {
        var isText: Bool
        var fragments: Int
        var bytes: [UInt8]
        var receivedAt: NIODeadline

        var text: String { String(decoding: bytes, as: UTF8.self) }
        var json: JSONValue { (try? JSONValue(parsing: bytes)) ?? .null }
    }

    private let channel: any Channel
    private let events: AsyncStream<Event>

    private init(channel: any Channel, events: AsyncStream<Event>) {
        self.channel = channel
        self.events = events
    }

    static func connect(port: Int, key: String? = nil, tls: NIOSSLContext? = nil) async throws -> TestClient {
        let (events, continuation) = AsyncStream.makeStream(of: Event.self)
        let upgraded = try await ClientBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(
                            NIOSSLClientHandler(context: tls, serverHostname: "localhost"))
                    }
                    let upgrader = NIOTypedWebSocketClientUpgrader<Void>(maxFrameSize: 1 << 24) { channel, _ in
                        channel.eventLoop.makeCompletedFuture {
                            try channel.pipeline.syncOperations.addHandler(EventHandler(continuation))
                        }
                    }
                    var headers = HTTPHeaders([("host", "localhost"), ("content-length", "0")])
                    if let key { headers.add(name: "authorization", value: "Bearer \(key)") }
                    let head = HTTPRequestHead(
                        version: .http1_1, method: .GET, uri: "/v1/realtime/chat/completions?model=gpt-4.1",
                        headers: headers)
                    let upgrade = NIOTypedHTTPClientUpgradeConfiguration<Void>(
                        upgradeRequestHead: head, upgraders: [upgrader],
                        notUpgradingCompletionHandler: { $0.eventLoop.makeFailedFuture(ChannelError.eof) })
                    let result = try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
                        configuration: .init(upgradeConfiguration: upgrade))
                    return result.map { channel }
                }
            }
        return TestClient(channel: try await upgraded.get(), events: events)
    }

    func send(_ text: String) async throws {
        try await send(.text, ByteBuffer(string: text))
    }

    func send(_ opcode: WebSocketOpcode, _ data: ByteBuffer, fin: Bool = true, masked: Bool = true) async throws {
        let frame = WebSocketFrame(fin: fin, opcode: opcode, maskKey: masked ? .random() : nil, data: data)
        try await channel.writeAndFlush(frame)
    }

    func close() async throws {
        var code = ByteBuffer()
        code.writeInteger(UInt16(1000))
        try await send(.connectionClose, code)
    }

    /// Ends the connection without a close frame.
    func disconnect() async throws {
        try await channel.close()
    }

    func next() async throws -> Event {
        for await event in events { return event }
        throw ChannelError.eof
    }

    func nextMessage() async throws -> Message {
        while true {
            switch try await next() {
            case .message(let message): return message
            case .ping: continue
            case let other: throw Unexpected(event: other)
            }
        }
    }

    struct Unexpected: Error { var event: Event }

    /// Messages up to and including the one that `isLast` says is the last.
    func messages(until isLast: (Message) -> Bool) async throws -> [Message] {
        var messages: [Message] = []
        while true {
            let message = try await nextMessage()
            messages.append(message)
            if isLast(message) { return messages }
        }
    }
}

/// Lives on the client's event loop.
private final class EventHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame

    private let events: AsyncStream<TestClient.Event>.Continuation
    private var bytes: [UInt8] = []
    private var fragments = 0
    private var isText = true
    private var failed = false

    init(_ events: AsyncStream<TestClient.Event>.Continuation) {
        self.events = events
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text, .binary, .continuation:
            if frame.opcode != .continuation {
                bytes = []
                fragments = 0
                isText = frame.opcode == .text
            }
            bytes += Array(frame.data.readableBytesView)
            fragments += 1
            if frame.fin {
                events.yield(
                    .message(.init(isText: isText, fragments: fragments, bytes: bytes, receivedAt: .now())))
            }
        case .ping: events.yield(.ping)
        case .connectionClose:
            events.yield(.close(frame.data.getInteger(at: frame.data.readerIndex, as: UInt16.self)))
        default: break
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        failed = true
        context.close(promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        events.yield(.ended(withError: failed))
        events.finish()
    }
}
