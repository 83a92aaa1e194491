import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSSL

extension TestGateway {
    /// Every stream of every connection follows `script`.
    /// - Parameter streamLimit: how many at once each connection takes, as its settings say.
    static func runHTTP2(
        streamLimit: Int = 100, script: @escaping Script, body: @Sendable (TestGateway) async throws -> Void
    ) async throws {
        let counter = Counter()
        let streamCounter = Counter()
        let settings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: streamLimit),
            HTTP2Setting(parameter: .maxHeaderListSize, value: HPACKDecoder.defaultMaxHeaderListSize),
        ]
        let tls = try GatewayTLSTests.certificates.get().server("good", protocols: ["h2"])
        let (streams, continuation) = AsyncStream<NIOAsyncChannel<ByteBuffer, ByteBuffer>>.makeStream()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    _ = counter.next()
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLServerHandler(context: tls))
                    try pipeline.addHandler(NIOHTTP2Handler(mode: .server, initialSettings: settings))
                    let multiplexer = HTTP2StreamMultiplexer(mode: .server, channel: channel) { stream in
                        stream.eventLoop.makeCompletedFuture {
                            let pipeline = stream.pipeline.syncOperations
                            try pipeline.addHandler(HTTP2FramePayloadToHTTP1ServerCodec())
                            try pipeline.addHandler(RawExchangeHandler())
                            let wrapped = try NIOAsyncChannel<ByteBuffer, ByteBuffer>(
                                wrappingChannelSynchronously: stream,
                                configuration: .init(backPressureStrategy: .init(lowWatermark: 1, highWatermark: 4)))
                            if case .terminated = continuation.yield(wrapped) {
                                // It came after the test's end.
                                Task { try? await wrapped.executeThenClose { _, _ in } }
                            }
                        }
                    }
                    try pipeline.addHandler(multiplexer)
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = Task {
            await withDiscardingTaskGroup { group in
                for await stream in streams {
                    let number = streamCounter.next()
                    group.addTask {
                        try? await stream.executeThenClose { inbound, outbound in
                            let peer = TestPeer(
                                transport: .http2, number: number, channel: stream.channel,
                                input: inbound.makeAsyncIterator(), output: outbound)
                            try await script(peer)
                        }
                    }
                }
                // Not before each has been taken: one that nobody has taken cannot be let go.
                group.cancelAll()
            }
        }
        let port = listener.localAddress?.port ?? 0
        let result: Result<Void, any Error>
        do {
            result = .success(try await body(TestGateway(port: port, accepted: counter, transport: .http2)))
        } catch { result = .failure(error) }
        continuation.finish()
        _ = await server.value
        try await listener.close()
        try result.get()
    }
}

/// One stream as the bytes that HTTP/1.1 would have: a script reads and writes those. An empty write ends the answer.
private final class RawExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = HTTPServerResponsePart

    private var isHeadSent = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            let lines = ["\(head.method) \(head.uri) HTTP/1.1"] + head.headers.map { "\($0.name): \($0.value)" }
            context.fireChannelRead(wrapInboundOut(ByteBuffer(string: lines.joined(separator: "\r\n") + "\r\n\r\n")))
        case .body(let bytes): context.fireChannelRead(wrapInboundOut(bytes))
        case .end: break
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        var bytes = unwrapOutboundIn(data)
        guard bytes.readableBytes > 0 else {
            context.write(wrapOutboundOut(.end(nil)), promise: promise)
            return
        }
        if !isHeadSent {
            isHeadSent = true
            let text = String(buffer: bytes)
            let head = text.prefix(upTo: text.firstRange(of: "\r\n\r\n")?.lowerBound ?? text.endIndex)
            let lines = head.split(separator: "\r\n")
            let status = lines.first.flatMap { Int($0.dropFirst(9).prefix(3)) } ?? 200
            let fields = lines.dropFirst().map { line in
                let parts = line.split(separator: ":", maxSplits: 1)
                return (parts[0].lowercased(), String(parts[1].drop { $0 == " " }))
            }
            bytes.moveReaderIndex(forwardBy: min(head.utf8.count + 4, bytes.readableBytes))
            let part = HTTPResponseHead(
                version: .http2, status: .init(statusCode: status), headers: HTTPHeaders(fields))
            context.write(wrapOutboundOut(.head(part)), promise: nil)
        }
        context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: promise)
    }
}
