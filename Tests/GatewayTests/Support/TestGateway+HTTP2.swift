import NIOCore
import NIOHPACK
import NIOHTTP1
import NIOHTTP2
import NIOSSL

extension TestGateway {
    /// Every stream of every connection follows `script`.
    /// - Parameter streamLimit: how many at once each connection takes, as its settings say.
    static func runHTTP2(
        streamLimit: Int = 100, script: @escaping Script, body: @Sendable (TestGateway) async throws -> Void
    ) async throws {
        let settings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: streamLimit),
            HTTP2Setting(parameter: .maxHeaderListSize, value: HPACKDecoder.defaultMaxHeaderListSize),
        ]
        let tls = try GatewayTLSTests.certificates.get().server("good", protocols: ["h2"])
        let peers = ScriptedPeers(transport: .http2, script: script)
        try await listen(peers, accepted: Counter(), transport: .http2, body: body) { channel in
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(NIOSSLServerHandler(context: tls))
            try pipeline.addHandler(NIOHTTP2Handler(mode: .server, initialSettings: settings))
            let multiplexer = HTTP2StreamMultiplexer(mode: .server, channel: channel) { stream in
                stream.eventLoop.makeCompletedFuture {
                    try stream.pipeline.syncOperations.addHandler(HTTP2FramePayloadToHTTP1ServerCodec())
                    try stream.pipeline.syncOperations.addHandler(RawExchangeHandler())
                    try peers.take(stream)
                }
            }
            try pipeline.addHandler(multiplexer)
        }
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
