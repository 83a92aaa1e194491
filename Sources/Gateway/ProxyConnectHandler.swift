import NIOCore

/// Why a proxy did not make a way to the gateway. The gateway has heard nothing.
enum ProxyFailure: Error, Equatable {
    case unreachable
    case silent
    case closed
    case refused(status: Int)
    case garbage
}

/// Asks an HTTP proxy for a tunnel to the gateway (CONNECT), and leaves the pipeline once it is there: what comes next, TLS
/// first of all, is between worker and gateway. Bound to the channel's event loop.
final class ProxyConnectHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let request: ByteBuffer
    private let deadline: NIODeadline
    private var answer = ProxyAnswer()
    private var whenDone: ((ProxyFailure?) -> Void)?
    private var timer: LoopTimer?

    /// - Parameter whenDone: called once. After a failure the channel is closed.
    init(
        to endpoint: GatewayConfiguration.Endpoint, proxy: GatewayConfiguration.Proxy, deadline: NIODeadline,
        whenDone: @escaping (ProxyFailure?) -> Void
    ) {
        let host = endpoint.host.utf8.contains(0x3A) ? "[\(endpoint.host)]" : endpoint.host
        var lines = ["CONNECT \(host):\(endpoint.port) HTTP/1.1", "Host: \(host):\(endpoint.port)"]
        if let authorization = proxy.authorization { lines.append("Proxy-Authorization: \(authorization)") }
        request = ByteBuffer(string: lines.joined(separator: "\r\n") + "\r\n\r\n")
        self.deadline = deadline
        self.whenDone = whenDone
    }

    func handlerAdded(context: ChannelHandlerContext) {
        let channel = context.channel
        let timer = LoopTimer(loop: context.eventLoop) { [weak self] in
            self?.finish(.silent)
            channel.close(promise: nil)
        }
        timer.set(deadline)
        self.timer = timer
        context.writeAndFlush(wrapOutboundOut(request), promise: nil)
    }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.invalidate() }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard whenDone != nil else { return }
        switch answer.add(unwrapInboundIn(data).readableBytesView) {
        case .unfinished: break
        case .accepted:
            // Nothing is read until the rest of the pipeline stands.
            try? context.channel.syncOptions?.setOption(.autoRead, value: false)
            context.pipeline.syncOperations.removeHandler(self, promise: nil)
            finish(nil)
        case .refused(let status): fail(.refused(status: status), context)
        case .garbage: fail(.garbage, context)
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        finish(.closed)
        context.fireChannelInactive()
    }

    /// It never came into the pipeline.
    func giveUp() { finish(.closed) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(.closed, context) }

    private func fail(_ failure: ProxyFailure, _ context: ChannelHandlerContext) {
        finish(failure)
        context.close(promise: nil)
    }

    private func finish(_ failure: ProxyFailure?) {
        let whenDone = whenDone
        self.whenDone = nil
        timer?.invalidate()
        whenDone?(failure)
    }
}
