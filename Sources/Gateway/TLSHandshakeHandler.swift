import NIOCore
import NIOTLS

/// Waits for the end of a handshake, and says which protocol was agreed on; leaves the pipeline then.
///
/// Only after it is the other side known to be the gateway: no byte of a request leaves earlier. Bound to the channel's
/// event loop.
final class TLSHandshakeHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = Any

    private var whenDone: ((Result<String?, GatewayFailure>) -> Void)?

    /// - Parameter whenDone: called once, with what ALPN chose.
    init(whenDone: @escaping (Result<String?, GatewayFailure>) -> Void) { self.whenDone = whenDone }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        context.fireUserInboundEventTriggered(event)
        guard case TLSUserEvent.handshakeCompleted(let negotiated) = event else { return }
        finish(.success(negotiated))
        context.pipeline.syncOperations.removeHandler(self, promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.failure(.unreachable(.connect, "The gateway closed the connection during its set-up.")))
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        finish(.failure(GatewayFailure(setUp: error, stage: .connect)))
        context.close(promise: nil)
    }

    private func finish(_ result: Result<String?, GatewayFailure>) {
        let whenDone = whenDone
        self.whenDone = nil
        whenDone?(result)
    }
}
