package import NIOCore
package import NIOHTTP2

/// Stands in the channel of an HTTP/2 stream of a client, before the codec that makes HTTP/1.1's parts of its frames: that codec
/// takes any whole number for a status, and a negative one ends the process. Bound to the channel's event loop.
package final class HTTP2StatusGuard: ChannelInboundHandler {
    package typealias InboundIn = HTTP2Frame.FramePayload
    package typealias InboundOut = HTTP2Frame.FramePayload

    /// A `:status` that is not three digits, from 100 on.
    package struct BadStatus: Error {}

    private var isClosed = false

    package init() {}

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isClosed else { return }
        if case .headers(let frame) = unwrapInboundIn(data),
            !frame.headers[":status"].allSatisfy({ Self.isStatus($0) })
        {
            isClosed = true
            context.fireErrorCaught(BadStatus())
            return context.close(promise: nil)
        }
        context.fireChannelRead(data)
    }

    /// RFC 9110, section 15: three digits, of which the first is no zero.
    package static func isStatus(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return bytes.count == 3 && bytes.allSatisfy { (0x30...0x39).contains($0) } && bytes[0] != 0x30
    }
}
