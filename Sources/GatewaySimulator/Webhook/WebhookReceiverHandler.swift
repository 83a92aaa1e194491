import NIOCore
import NIOHTTP1

/// One sender's HTTP connection; the pipeline before it lets one request in at a time.
final class WebhookReceiverHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let desk: WebhookDesk
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    private var isTooLarge = false

    init(desk: WebhookDesk) {
        self.desk = desk
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
            isTooLarge = false
        case .body(let part):
            isTooLarge = isTooLarge || body.count + part.readableBytes > desk.options.maximumBodySize
            if !isTooLarge { body.append(contentsOf: part.readableBytesView) }
        case .end:
            guard let head else { return }
            self.head = nil
            received(head, context: context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func received(_ head: HTTPRequestHead, context: ChannelHandlerContext) {
        guard head.method == .POST, !isTooLarge else {
            respond(head.method == .POST ? 413 : 405, to: head, context: context)
            return
        }
        let delivery = desk.judge(
            path: head.uri, headers: head.headers.map { .init(name: $0.name, value: $0.value) }, body: body)
        body = []
        let answer = {
            // Kept first: whoever has read the answer finds the delivery.
            self.desk.publish(delivery)
            self.respond(delivery.status, to: head, context: context)
        }
        guard desk.options.delay > .zero else { return answer() }
        context.eventLoop.assumeIsolated().scheduleTask(
            in: .nanoseconds(desk.options.delay.nanosecondsClamped), answer)
    }

    private func respond(_ status: Int, to head: HTTPRequestHead, context: ChannelHandlerContext) {
        guard context.channel.isActive else { return }
        var headers = HTTPHeaders()
        if status != 204 { headers.add(name: "content-length", value: "0") }
        if status == desk.options.failStatus, let retryAfter = desk.options.retryAfter {
            headers.add(name: "retry-after", value: retryAfter)
        }
        if !head.isKeepAlive { headers.add(name: "connection", value: "close") }
        let answer = HTTPResponseHead(
            version: .http1_1, status: HTTPResponseStatus(statusCode: status), headers: headers)
        context.write(wrapOutboundOut(.head(answer)), promise: nil)
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if !head.isKeepAlive {
            written.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        }
    }
}
