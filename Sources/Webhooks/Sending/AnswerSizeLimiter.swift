internal import NIOCore

/// Bounds what an HTTP/1 connection reads for one request, headers included: the parser would collect header lines for as
/// long as an endpoint sends them. Bodies are cut much earlier, by `AnswerReader`. Stands before the parser, after TLS;
/// runs on the connection's event loop. (HTTP/2 bounds the size of headers itself.)
final class AnswerSizeLimiter: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = Any

    struct AnswerTooLong: Error {}

    private let maximumSize: Int
    private var received = 0

    init(maximumSize: Int) {
        self.maximumSize = maximumSize
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        // A request begins or goes on.
        self.received = 0
        context.write(data, promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        self.received += self.unwrapInboundIn(data).readableBytes
        guard self.received <= self.maximumSize else {
            context.fireErrorCaught(AnswerTooLong())
            context.close(promise: nil)
            return
        }
        context.fireChannelRead(data)
    }
}
