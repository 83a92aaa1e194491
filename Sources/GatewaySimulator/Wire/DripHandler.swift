import NIOCore

/// Lets everything leave a byte at a time. First in the pipeline of a connection, on its event loop: under TLS it is the
/// records that drip.
final class DripHandler: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let pause: TimeAmount
    private var waiting = CircularBuffer<(bytes: ByteBuffer, promise: EventLoopPromise<Void>?)>()
    private var isRunning = false

    private init(pause: TimeAmount) { self.pause = pause }

    /// Once for a connection; a second time does nothing.
    static func install(on channel: any Channel, milliseconds: Int) {
        // The parent of an HTTP/2 stream is its connection; that of a connection is the listener, which has no other side.
        let parent = channel.parent.flatMap { $0.remoteAddress == nil ? nil : $0 }
        let pipeline = (parent ?? channel).pipeline.syncOperations
        guard (try? pipeline.handler(type: DripHandler.self)) == nil else { return }
        try? pipeline.addHandler(DripHandler(pause: .milliseconds(Int64(milliseconds))), position: .first)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        waiting.append((unwrapOutboundIn(data), promise))
        if !isRunning { drip(context) }
    }

    func flush(context: ChannelHandlerContext) {}

    func handlerRemoved(context: ChannelHandlerContext) {
        while let next = waiting.popFirst() { next.promise?.fail(ChannelError.ioOnClosedChannel) }
    }

    private func drip(_ context: ChannelHandlerContext) {
        isRunning = false
        guard context.channel.isActive, var next = waiting.popFirst() else { return }
        guard let byte = next.bytes.readSlice(length: 1) else {
            next.promise?.succeed()
            return drip(context)
        }
        if next.bytes.readableBytes > 0 {
            waiting.prepend(next)
            context.writeAndFlush(wrapOutboundOut(byte), promise: nil)
        } else {
            context.writeAndFlush(wrapOutboundOut(byte), promise: next.promise)
        }
        isRunning = true
        context.eventLoop.assumeIsolated().scheduleTask(in: pause) { self.drip(context) }
    }
}
