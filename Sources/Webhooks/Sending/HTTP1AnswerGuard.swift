internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import NIOPosix

/// The connection was used before, and the peer closed it without a byte of an answer to this request: the peer has
/// probably given it up before it read the request. Another connection may do.
struct StaleConnection: Error {
    /// Whether the connection is lost, or the peer says that it has not looked at the request.
    static func isCause(_ error: any Error) -> Bool {
        switch error {
        case is IOError, is ChannelError: true
        case let error as NIOHTTP2Errors.StreamClosed: error.errorCode == .refusedStream
        default: false
        }
    }
}

/// Stands between the parser of an HTTP/1.1 connection and the client, which sees only what `AnswerOrder` lets through.
/// The end of an answer waits for the end of the request: the client gives a connection back twice, and ends the process,
/// where an answer is complete before the request is and the connection is lost at that moment. Tells also when a
/// connection that was reused turns out to be closed. Runs on the connection's event loop.
final class HTTP1AnswerGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    private var order = AnswerOrder()
    private var hasRequestEnded = false
    private var end: HTTPClientResponsePart?
    private var isStale: Bool { order.isUnanswered && order.requests > 1 }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head:
            order.requestBegan()
            (hasRequestEnded, end) = (false, nil)
        case .body: break
        case .end:
            hasRequestEnded = true
            if end != nil { context.eventLoop.assumeIsolated().execute { self.passEnd(context) } }
        }
        guard let promise else { return context.write(data, promise: nil) }
        let own = context.eventLoop.makePromise(of: Void.self)
        own.futureResult.assumeIsolated().whenComplete { result in
            switch result {
            case .success: promise.succeed()
            case .failure(let error):
                promise.fail(self.isStale && StaleConnection.isCause(error) ? StaleConnection() : error)
            }
        }
        context.write(data, promise: own)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        let verdict =
            switch part {
            case .head(let head): order.head(status: Int(exactly: head.status.code))
            case .body: order.body()
            case .end: order.end()
            }
        switch verdict {
        case .pass:
            guard case .end = part, !hasRequestEnded else { return context.fireChannelRead(data) }
            end = part
        case .drop: break
        case .refuse(let error):
            context.fireErrorCaught(error)
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.fireErrorCaught(isStale && StaleConnection.isCause(error) ? StaleConnection() : error)
    }

    private func passEnd(_ context: ChannelHandlerContext) {
        guard let end else { return }
        self.end = nil
        context.fireChannelRead(wrapInboundOut(end))
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        end = nil
        if isStale { context.fireErrorCaught(StaleConnection()) }
        context.fireChannelInactive()
    }
}
