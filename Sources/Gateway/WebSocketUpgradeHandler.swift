import NIOCore
import NIOHTTP1
import NIOTLS

/// Asks for the WebSocket and judges the answer; leaves the pipeline once it has it, together with the HTTP coders.
///
/// A refusal's body is read up to 16 KiB, for the gateway's own type and code. Bound to the channel's event loop.
final class WebSocketUpgradeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let connection: WebSocketConnection
    private let request: WebSocketUpgradeRequest
    private let isSecure: Bool
    private let secret: String
    private let encoder: HTTPRequestEncoder
    private let decoder: ByteToMessageHandler<HTTPResponseDecoder>
    private var answer: GatewayRefusal?
    private var isSent = false
    private var isDecided = false

    private init(
        connection: WebSocketConnection, request: WebSocketUpgradeRequest, isSecure: Bool, secret: String
    ) {
        self.connection = connection
        self.request = request
        self.isSecure = isSecure
        self.secret = secret
        encoder = GatewayHTTP1.makeEncoder()
        decoder = GatewayHTTP1.makeDecoder()
    }

    /// Makes the decoder's generic types known to Swift's runtime, before several event loops need them at the same moment:
    /// 6.3.1 has crashed there, in a class whose superclass the other thread was still setting up
    /// (`swift_conformsToProtocolMaybeInstantiateSuperclasses`).
    static func prepare() { _ = String(describing: ByteToMessageHandler<HTTPResponseDecoder>.self) }

    /// Puts the handler and the HTTP coders at the end of a connected channel's pipeline.
    static func install(
        on channel: any Channel, connection: WebSocketConnection, request: WebSocketUpgradeRequest,
        configuration: GatewayConfiguration, key: GatewayKey
    ) throws -> WebSocketUpgradeHandler {
        let handler = WebSocketUpgradeHandler(
            connection: connection, request: request, isSecure: configuration.endpoint.isSecure,
            secret: key.secret)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(handler.encoder)
        try pipeline.addHandler(handler.decoder)
        try pipeline.addHandler(handler)
        return handler
    }

    func handlerAdded(context: ChannelHandlerContext) {
        if !isSecure { send(context) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // Only now is the other side known to be the gateway: no byte of the request leaves earlier.
        if isSecure, case TLSUserEvent.handshakeCompleted = event { send(context) }
        context.fireUserInboundEventTriggered(event)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDecided else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            guard head.hasStatus else { return fail(.protocolError(.upgrade, HTTPResponseHead.noStatus)) }
            answer = GatewayRefusal(head: head)
        case .body(let part):
            answer?.append(part)
            if answer?.isFull == true { decide(context) }
        case .end: decide(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(refusal ?? .unreachable(stage, "The gateway closed the connection during its set-up."))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(refusal ?? GatewayFailure(setUp: error, stage: stage))
        context.close(promise: nil)
    }

    /// The refusal whose head has come, even where its body never ends.
    var refusal: GatewayFailure? {
        guard let answer, answer.head.status != .switchingProtocols else { return nil }
        return .refused(.upgrade, status: Int(answer.head.status.code), answer.details(hiding: secret))
    }

    private var stage: GatewayFailure.Stage { isSent ? .upgrade : .connect }

    private func send(_ context: ChannelHandlerContext) {
        guard !isSent else { return }
        isSent = true
        connection.upgradeStarted()
        context.write(wrapOutboundOut(.head(request.head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
    }

    private func decide(_ context: ChannelHandlerContext) {
        guard !isDecided, let head = answer?.head else { return }
        guard head.status == .switchingProtocols else { return fail(refusal) }
        if let complaint = request.complaint(about: head) {
            return fail(.protocolError(.upgrade, "The gateway answered with \(complaint)."))
        }
        isDecided = true
        handOver(context)
    }

    /// The decoder goes last: what it has already read of the WebSocket then flows to the connection.
    private func handOver(_ context: ChannelHandlerContext) {
        let pipeline = context.pipeline.syncOperations
        let connection = connection
        do {
            try pipeline.addHandler(connection, position: .after(self))
        } catch {
            return connection.setUpFailed(.unreachable(.upgrade, "The connection closed during the upgrade."))
        }
        pipeline.removeHandler(self, promise: nil)
        pipeline.removeHandler(encoder, promise: nil)
        pipeline.removeHandler(decoder).assumeIsolated().whenComplete { _ in connection.upgradeFinished() }
    }

    private func fail(_ failure: GatewayFailure?) {
        guard !isDecided, let failure else { return }
        isDecided = true
        connection.setUpFailed(failure)
    }
}
