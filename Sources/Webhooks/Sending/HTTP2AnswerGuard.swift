internal import NIOCore
internal import NIOHTTP2

/// Stands first in the pipeline of each stream of an HTTP/2 connection, before the frames become parts of HTTP/1.1: that
/// translation ends the process over a `:status` that is empty or negative. Runs on the connection's event loop.
final class HTTP2AnswerGuard: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload

    private var order = AnswerOrder()
    /// Whether the connection carried other requests before.
    private let isReused: Bool

    init(isReused: Bool) {
        self.isReused = isReused
        order.requestBegan()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let verdict: AnswerOrder.Verdict
        switch unwrapInboundIn(data) {
        case .headers(let frame):
            let statuses = frame.headers[":status"]
            if order.isInBody, statuses.isEmpty, frame.endStream {
                verdict = order.end()
            } else {
                let status = statuses.count == 1 ? Self.status(statuses[0]) : nil
                verdict = ending(order.head(status: status), frame.endStream)
            }
        case .data(let frame): verdict = ending(order.body(), frame.endStream)
        default: verdict = .pass
        }
        switch verdict {
        case .pass: context.fireChannelRead(data)
        case .drop: break
        case .refuse(let error):
            context.fireErrorCaught(error)
            context.close(promise: nil)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let isStale = isReused && order.isUnanswered && StaleConnection.isCause(error)
        context.fireErrorCaught(isStale ? StaleConnection() : error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if isReused, order.isUnanswered { context.fireErrorCaught(StaleConnection()) }
        context.fireChannelInactive()
    }

    /// What ends the stream ends the answer, and there has to be one.
    private func ending(_ verdict: AnswerOrder.Verdict, _ ends: Bool) -> AnswerOrder.Verdict {
        if case .refuse = verdict { return verdict }
        guard ends, case .refuse(let error) = order.end() else { return verdict }
        return .refuse(error)
    }

    /// Three digits, as RFC 9110 has it.
    static func status(_ text: String) -> Int? {
        guard text.utf8.count == 3, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }
}

/// Stands between the frames of an HTTP/2 connection and the client: streams that the peer opens (pushes) are not the
/// client's, which miscounts its own over them; and a connection that the peer goes away from while nothing is under way
/// is closed, since the client would keep it for ever; and settings that come while nothing is under way wait for the next
/// stream, since the client would begin to count its idle time twice. A connection on which this side has cut an answer (it
/// did not end, or did not come) carries no further request, and is closed when those under way have ended. Runs on the
/// connection's event loop.
final class HTTP2ConnectionGuard: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame
    typealias InboundOut = HTTP2Frame
    typealias OutboundIn = HTTP2Frame
    typealias OutboundOut = HTTP2Frame

    /// Streams that this side has opened.
    private(set) var streams = 0
    private var open = 0
    private var isRefused = false
    private var hasCut = false
    private var settings: HTTP2Frame?

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isRefused else { return }
        let frame = unwrapInboundIn(data)
        if case .pushPromise = frame.payload { return refuse(context) }
        guard !Self.isPeers(frame.streamID) else { return refuse(context) }
        if case .settings(.settings) = frame.payload, open == 0 {
            settings = frame
            return
        }
        context.fireChannelRead(data)
        if case .goAway = frame.payload, open == 0 { context.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case let event as NIOHTTP2StreamCreatedEvent:
            guard !Self.isPeers(event.streamID) else { return refuse(context) }
            streams += 1
            open += 1
            context.fireUserInboundEventTriggered(event)
            if let settings { context.fireChannelRead(wrapInboundOut(settings)) }
            settings = nil
            return
        case let event as StreamClosedEvent:
            if Self.isPeers(event.streamID) { return }
            open -= 1
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let frame = unwrapOutboundIn(data)
        context.write(data, promise: promise)
        guard !hasCut, case .rstStream = frame.payload else { return }
        hasCut = true
        // The client hears it as the peer's wish, the only one that it knows. Later: it is in the middle of its own step.
        context.eventLoop.assumeIsolated().execute {
            guard context.channel.isActive else { return }
            let payload = HTTP2Frame.FramePayload.goAway(lastStreamID: .maxID, errorCode: .cancel, opaqueData: nil)
            context.fireChannelRead(self.wrapInboundOut(HTTP2Frame(streamID: .rootStream, payload: payload)))
            if self.open == 0 { context.close(promise: nil) }
        }
    }

    /// 0 is the connection itself.
    private static func isPeers(_ stream: HTTP2StreamID) -> Bool {
        let number = Int(stream)
        return number != 0 && number % 2 == 0
    }

    private func refuse(_ context: ChannelHandlerContext) {
        guard !isRefused else { return }
        isRefused = true
        context.fireErrorCaught(AnswerOrder.InvalidAnswer(description: "a stream that the peer opened"))
        context.close(promise: nil)
    }
}
