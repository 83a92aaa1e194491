import NIOCore
import NIOHTTP1

/// Answers the requests that did not become a WebSocket.
final class PlainHTTPHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let admission: Admission
    private let context: GatewayContext
    private var head: HTTPRequestHead?
    /// The refusal of the upgrade before this handler came. NIO's upgrade handler does not pass on that request's head.
    private var decided: Admission.Decision?

    init(admission: Admission, context: GatewayContext, decided: Admission.Decision?) {
        self.admission = admission
        self.context = context
        self.decided = decided
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end:
            let decision = decided ?? head.map { admission.decide($0, refusal: nil) } ?? .admit
            let keepsAlive = decided == nil && head?.isKeepAlive == true
            decided = nil
            head = nil
            switch decision {
            case .answer(let answer): respond(answer, keepsAlive: keepsAlive, on: context)
            case .admit: respond(Self.badUpgrade, keepsAlive: false, on: context)
            }
        }
    }

    private static let badUpgrade = Admission.Answer.error(400, "This is not a valid WebSocket upgrade")

    private func respond(_ answer: Admission.Answer, keepsAlive: Bool, on context: ChannelHandlerContext) {
        if answer.status >= 300 { self.context.countRefused() }
        var headers = answer.headers
        if !keepsAlive { headers.add(name: "connection", value: "close") }
        let status = HTTPResponseStatus(statusCode: answer.status)
        context.write(
            wrapOutboundOut(.head(.init(version: .http1_1, status: status, headers: headers))), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if !keepsAlive {
            written.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        }
    }
}
