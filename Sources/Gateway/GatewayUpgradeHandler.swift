import FoundationEssentials
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import NIOTLS

/// Asks for the WebSocket and judges the answer; leaves the pipeline once it has it, together with the HTTP coders.
///
/// A refusal's body is read up to 4 KiB, for the gateway's own type and code. Bound to the channel's event loop.
final class GatewayUpgradeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    static let maximumBody = 4096

    private let connection: GatewayConnection
    private let request: UpgradeRequest
    private let isSecure: Bool
    private let secret: String
    private let encoder: HTTPRequestEncoder
    private let decoder: ByteToMessageHandler<HTTPResponseDecoder>
    private var head: HTTPResponseHead?
    private var body = ByteBuffer()
    private var isSent = false
    private var isDecided = false

    private init(
        connection: GatewayConnection, request: UpgradeRequest, isSecure: Bool, secret: String
    ) {
        self.connection = connection
        self.request = request
        self.isSecure = isSecure
        self.secret = secret
        var configuration = HTTPRequestEncoder.Configuration()
        configuration.automaticallySetFramingHeaders = false
        encoder = HTTPRequestEncoder(configuration: configuration)
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8192
        limits.maxHeaderListSize = 16_384
        limits.maxHeaderFieldCount = 100
        decoder = ByteToMessageHandler(
            HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits))
    }

    /// Makes the decoder's generic types known to Swift's runtime, before several event loops need them at the same moment:
    /// 6.3.1 has crashed there, in a class whose superclass the other thread was still setting up
    /// (`swift_conformsToProtocolMaybeInstantiateSuperclasses`).
    static func prepare() { _ = String(describing: ByteToMessageHandler<HTTPResponseDecoder>.self) }

    /// Puts the handler and the HTTP coders at the end of a connected channel's pipeline.
    static func install(
        on channel: any Channel, connection: GatewayConnection, request: UpgradeRequest,
        configuration: GatewayConfiguration
    ) throws -> GatewayUpgradeHandler {
        let handler = GatewayUpgradeHandler(
            connection: connection, request: request, isSecure: configuration.endpoint.isSecure,
            secret: configuration.apiKey)
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
        case .head(let head): self.head = head
        case .body(var part):
            if var slice = part.readSlice(length: min(part.readableBytes, Self.maximumBody - body.readableBytes)) {
                body.writeBuffer(&slice)
            }
            if body.readableBytes == Self.maximumBody { decide(context) }
        case .end: decide(context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        fail(refusal ?? .unreachable(stage, "The gateway closed the connection during its set-up."))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        fail(refusal ?? Self.failure(error, stage: stage))
        context.close(promise: nil)
    }

    /// The refusal whose head has come, even where its body never ends.
    var refusal: GatewayFailure? {
        guard let head, head.status != .switchingProtocols else { return nil }
        let now = Date().timeIntervalSince1970
        var details = body.withUnsafeReadableBytes { UpstreamError($0, hiding: secret, now: now) }
        details.readHeaders(now: now) { head.headers.first(name: $0) }
        return .refused(.upgrade, status: Int(head.status.code), details)
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
        guard !isDecided, let head else { return }
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

    /// What a failed connect, handshake or upgrade means.
    static func failure(_ error: any Error, stage: GatewayFailure.Stage) -> GatewayFailure {
        switch error {
        case ChannelError.connectTimeout: return .timedOut(.connect)
        case NIOSSLError.uncleanShutdown, NIOSSLError.handshakeFailed(.sslError([.eofDuringHandshake])):
            return .unreachable(stage, "The gateway closed the connection during its set-up.")
        case NIOSSLError.handshakeFailed, is BoringSSLError:
            return .tlsFailed("The TLS handshake with the gateway failed, or its certificate is not trusted.")
        case is NIOSSLError, is NIOSSLExtraError:
            return .tlsFailed("The gateway's certificate is not for this host.")
        case is HTTPParserError:
            return .protocolError(stage, "The gateway answered with something that is not HTTP/1.1.")
        case is NIOConnectionError, is IOError, is SocketAddressError:
            return .unreachable(stage, "The gateway could not be reached.")
        default: return .unreachable(stage, "The connection to the gateway failed.")
        }
    }
}
