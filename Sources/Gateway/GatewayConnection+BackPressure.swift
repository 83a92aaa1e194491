import NIOCore

/// The gate of back-pressure: a read that the channel asks for while the stream is paused is held, and the gateway with it,
/// by TCP or by the window of an HTTP/2 stream.
extension GatewayConnection {
    func gate(_ context: ChannelHandlerContext, isShut: Bool) {
        if isShut { isReadHeld = true } else { context.read() }
    }

    /// Lets the held read go. It may bring bytes before this returns.
    func releaseRead() {
        guard isReadHeld else { return }
        isReadHeld = false
        context?.read()
    }
}
