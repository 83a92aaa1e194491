internal import Glibc
internal import NIOCore

/// One accepted connection and the proxy's own to the server behind it. Lives on the proxy's event loop.
final class ProxyLink {
    enum Flow: Equatable {
        case pass
        /// Read and thrown away: the sender hears nothing, not even of the end.
        case swallow
    }

    private(set) var name = ""
    private let client: any Channel
    private var server: (any Channel)?
    private var flows: [TCPProxy.Direction: Flow] = [.up: .pass, .down: .pass]
    private var firstBytes: [UInt8] = []
    private var early: [ByteBuffer] = []
    private var isOver = false
    /// Each read waits so long before it goes on.
    var delay = TimeAmount.zero
    /// When the last thing that waits is due: nothing overtakes it.
    private var lastDue = NIODeadline.distantPast
    var onName: (String) -> Void = { _ in }
    var onEnd: () -> Void = {}

    init(client: any Channel) { self.client = client }

    func connected(to server: any Channel) {
        guard !isOver else { return server.close(promise: nil) }
        self.server = server
        for buffer in early { server.writeAndFlush(buffer, promise: nil) }
        early = []
    }

    func swallow(_ direction: TCPProxy.Direction) { flows[direction] = .swallow }

    /// Resets both connections.
    func cut() {
        guard !isOver else { return }
        isOver = true
        for channel in [client, server].compactMap({ $0 }) { Self.reset(channel) }
        onEnd()
    }

    static func reset(_ channel: any Channel) {
        let off = linger(l_onoff: 1, l_linger: 0)
        if let provider = channel as? any SocketOptionProvider { provider.setSoLinger(off).whenComplete { _ in } }
        channel.close(promise: nil)
    }

    func received(_ buffer: ByteBuffer, _ direction: TCPProxy.Direction) {
        if direction == .up, name.isEmpty, firstBytes.count < ConnectionName.limit {
            firstBytes += Array(buffer.readableBytesView)
            if let found = ConnectionName.find(in: firstBytes) {
                name = found
                firstBytes = []
                onName(found)
            }
        }
        guard flows[direction] == .pass else { return }
        later { link in link.write(buffer, direction) }
    }

    private func write(_ buffer: ByteBuffer, _ direction: TCPProxy.Direction) {
        guard !isOver else { return }
        if direction == .down { return client.writeAndFlush(buffer, promise: nil) }
        if let server { server.writeAndFlush(buffer, promise: nil) } else { early.append(buffer) }
    }

    /// One side has closed: so does the other, unless nobody is told.
    func closed(_ direction: TCPProxy.Direction) {
        guard flows[direction] == .pass else {
            let other = direction == .up ? server : client
            if other?.isActive != true { end() }
            return
        }
        later { link in link.end() }
    }

    func writability(_ isWritable: Bool, _ direction: TCPProxy.Direction) {
        let source = direction == .up ? server : client
        source?.setOption(.autoRead, value: isWritable).whenComplete { _ in }
    }

    private func end() {
        guard !isOver else { return }
        isOver = true
        client.close(promise: nil)
        server?.close(promise: nil)
        onEnd()
    }

    private func later(_ body: @escaping (ProxyLink) -> Void) {
        let now = NIODeadline.now()
        let due = max(now + delay, lastDue)
        guard due > now else { return body(self) }
        lastDue = due
        client.eventLoop.assumeIsolated().scheduleTask(deadline: due) { body(self) }
    }
}

/// Hands what comes in on one side of a link to the link.
final class ProxyPipe: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let link: ProxyLink
    private let direction: TCPProxy.Direction

    init(_ link: ProxyLink, _ direction: TCPProxy.Direction) {
        self.link = link
        self.direction = direction
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        link.received(unwrapInboundIn(data), direction)
    }

    func channelInactive(context: ChannelHandlerContext) { link.closed(direction) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        link.writability(context.channel.isWritable, direction)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
