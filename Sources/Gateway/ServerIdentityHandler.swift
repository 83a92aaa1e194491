import NIOCore
import NIOTLS
import PeerChecks

/// Stands right behind TLS and lets nobody hear that the handshake is complete before the gateway's certificate was found to be
/// for its host name: no byte of a request, and so no key, leaves before that. Leaves the pipeline then. Bound to the channel's
/// event loop.
final class ServerIdentityHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    private let host: String
    private let isProxied: Bool

    /// - Parameters:
    ///   - host: as in the gateway's URL.
    ///   - isProxied: the other side's address is that of a proxy.
    init(host: String, isProxied: Bool = false) {
        self.host = host
        self.isProxied = isProxied
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        guard case TLSUserEvent.handshakeCompleted = event else {
            return context.fireUserInboundEventTriggered(event)
        }
        do {
            try ServerIdentity.verify(context.channel, isFor: host, isProxied: isProxied)
        } catch {
            context.fireErrorCaught(error)
            return context.close(promise: nil)
        }
        context.fireUserInboundEventTriggered(event)
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }
}
