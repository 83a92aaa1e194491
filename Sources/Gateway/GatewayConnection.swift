import ChatModel
import NIOCore
import NIOPosix
import NIOSSL

/// One WebSocket to the gateway, from its TCP connect to its close: carries out what streams and the pool decide.
///
/// After the upgrade it is the only handler behind TLS. Bound to its event loop; it serves one stream after another.
final class GatewayConnection: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    enum Phase: Equatable {
        case settingUp
        case open
        /// Our close frame is out. `isReading`: frames are still looked at, for the answer to it.
        case closing(isReading: Bool)
        case closed
    }

    /// How long a gateway may take to close after the close frames.
    static let closeTime = TimeAmount.seconds(1)
    /// A buffer over this size is given back once it is empty.
    private static let keptCapacity = 4096

    let owner: GatewayLoop
    let model: String
    let openedAt: NIODeadline
    private(set) var phase = Phase.settingUp
    private(set) var stream: GatewayStream?
    var identity = AnswerIdentity()
    /// Requests sent so far.
    private(set) var requests = 0
    var assembler: WebSocketMessageAssembler

    private var channel: (any Channel)?
    private var context: ChannelHandlerContext?
    private var upgradeHandler: GatewayUpgradeHandler?
    private var closeTimer: LoopTimer?
    /// Bytes that are no whole frame yet, or that came while reading was paused.
    private var pending = ByteBuffer()
    private var isConsuming = false
    private var isReadHeld = false
    private var isInputClosed = false
    /// The payload of a ping to be answered when the socket takes bytes again.
    private var heldPing: [UInt8]?

    init(owner: GatewayLoop, model: String, stream: GatewayStream, now: NIODeadline) {
        self.owner = owner
        self.model = model
        self.stream = stream
        openedAt = now
        assembler = WebSocketMessageAssembler(
            maximumMessageSize: owner.configuration.maximumMessageSize,
            maximumFragments: owner.configuration.maximumFragments)
    }

    // MARK: Set-up

    func connect(traceparent: String?) {
        let configuration = owner.configuration
        // Reading starts when the pipeline is complete.
        let bootstrap = ClientBootstrap(group: owner.eventLoop)
            .connectTimeout(TimeAmount(bounded: configuration.connectTimeout))
            .channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 1024, initial: 2048, maximum: 16_384))
        let endpoint = configuration.endpoint
        let address = try? SocketAddress(ipAddress: endpoint.host, port: endpoint.port)
        let future =
            address.map { bootstrap.connect(to: $0) } ?? bootstrap.connect(host: endpoint.host, port: endpoint.port)
        future.assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.connected(channel, traceparent: traceparent)
            case .failure(let error): self.setUpFailed(GatewayUpgradeHandler.failure(error, stage: .connect))
            }
        }
    }

    private func connected(_ channel: any Channel, traceparent: String?) {
        guard phase == .settingUp else {
            channel.close(promise: nil)
            return
        }
        self.channel = channel
        channel.closeFuture.assumeIsolated().whenComplete { _ in self.channelClosed() }
        let configuration = owner.configuration
        do {
            if let tls = owner.tls {
                let handler = try NIOSSLClientHandler(context: tls, serverHostname: owner.serverName)
                try channel.pipeline.syncOperations.addHandler(handler)
            }
            let request = UpgradeRequest(configuration: configuration, model: model, traceparent: traceparent)
            upgradeHandler = try .install(
                on: channel, connection: self, request: request, configuration: configuration)
            guard let options = channel.syncOptions else { throw ChannelError.operationUnsupported }
            try options.setOption(.autoRead, value: true)
        } catch {
            setUpFailed(GatewayUpgradeHandler.failure(error, stage: .connect))
        }
    }

    /// TCP and TLS stand; the upgrade request is about to leave.
    func upgradeStarted() { stream?.connectionEstablished() }

    func setUpFailed(_ failure: GatewayFailure) {
        guard phase == .settingUp else { return }
        if let stream { stream.connectionFailed(failure) } else { abort() }
    }

    /// The refusal whose body is still coming.
    var pendingRefusal: GatewayFailure? { upgradeHandler?.refusal }

    /// The HTTP handlers are gone.
    func upgradeFinished() {
        upgradeHandler = nil
        guard phase == .settingUp else { return }
        guard !isInputClosed, let stream, context != nil else {
            return setUpFailed(.unreachable(.upgrade, "The gateway closed the connection during its set-up."))
        }
        phase = .open
        owner.connectionOpened()
        stream.connectionReady(self, isReused: false)
        consumePending()
    }

    // MARK: Streams

    /// Gives an idle connection to a stream. `false`: it has died.
    func attach(_ stream: GatewayStream) -> Bool {
        guard phase == .open, !isInputClosed, self.stream == nil, let channel, channel.isActive else { return false }
        self.stream = stream
        return true
    }

    /// Sends the request as one text message.
    ///
    /// - Parameter flushed: runs on the loop once its last byte was handed to the kernel.
    func send(_ body: ByteBuffer, flushed: @escaping () -> Void) {
        guard let context else { return }
        requests &+= 1
        let frame = body.withUnsafeReadableBytes {
            WebSocketOutput.frame(.text, payload: $0, allocator: context.channel.allocator)
        }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess(flushed)
        context.writeAndFlush(wrapOutboundOut(frame), promise: promise)
    }

    /// The stream is over; the connection goes back to the pool, or away.
    func release(_ farewell: GatewayStreamMachine.Farewell) {
        stream = nil
        switch farewell {
        case .reuse(let sawDone):
            let isSafe = identity.endAnswer(sawDone: sawDone)
            if phase == .open, !isInputClosed, isSafe, !assembler.isInsideMessage, owner.keep(self) {
                releaseRead()
            } else {
                close(code: 1000, isReading: true)
            }
        case .close(let code): close(code: code, isReading: code == 1000 || code == 1001)
        case .abort: abort()
        }
    }

    /// Reading may go on: what was held back is handed out first.
    func resume() {
        releaseRead()
        guard !isConsuming else { return }
        consumePending()
    }

    // MARK: Close

    /// Says goodbye and closes; waits a moment for the gateway to do the same.
    ///
    /// - Parameter isReading: `false` after a frame that makes all that follows unreadable.
    func close(code: UInt16?, isReading: Bool = false) {
        guard phase == .open else {
            if phase == .settingUp { abort() }
            return
        }
        guard let context, !isInputClosed else { return abort() }
        phase = .closing(isReading: isReading)
        if !isReading { pending = ByteBuffer() }
        let frame = WebSocketOutput.close(code: code, allocator: context.channel.allocator)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        releaseRead()
        let timer = LoopTimer(loop: owner.eventLoop) { [weak self] in self?.abort() }
        timer.set(.now() + Self.closeTime)
        closeTimer = timer
    }

    /// Closes at once.
    func abort() {
        guard phase != .closed else { return }
        if phase == .open, let context, !isInputClosed {
            let frame = WebSocketOutput.close(code: 1001, allocator: context.channel.allocator)
            context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        }
        phase = .closed
        closeTimer?.invalidate()
        closeTimer = nil
        releaseRead()
        if let channel { channel.close(promise: nil) } else { owner.forget(self) }
    }

    private func channelClosed() {
        let wasOpened = requests > 0
        phase = .closed
        closeTimer?.invalidate()
        closeTimer = nil
        context = nil
        channel = nil
        upgradeHandler = nil
        if wasOpened { owner.connectionClosed() }
        owner.forget(self)
    }

    // MARK: ChannelHandler

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    /// The gate of back-pressure: while the stream is paused the socket is not read, and TCP holds the gateway back.
    func read(context: ChannelHandlerContext) {
        if phase == .open, stream?.isPaused == true {
            isReadHeld = true
        } else {
            context.read()
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        switch phase {
        case .open, .closing(isReading: true): break
        case .settingUp:
            pending.writeBuffer(&bytes)
            return
        case .closing, .closed: return
        }
        guard !isConsuming, pending.readableBytes == 0 else {
            pending.writeBuffer(&bytes)
            if !isConsuming { consumePending() }
            return
        }
        consume(&bytes)
        keep(bytes)
        if isInputClosed { inputEnded() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        isInputClosed = true
        inputEnded()
        context.fireChannelInactive()
    }

    /// Resets, and TLS connections cut without notice, end like any other lost connection.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, let payload = heldPing {
            heldPing = nil
            payload.withUnsafeBytes { pong($0) }
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: Reading

    private func releaseRead() {
        guard isReadHeld else { return }
        isReadHeld = false
        context?.read()
    }

    private func consumePending() {
        guard !isConsuming else { return }
        if pending.readableBytes > 0 {
            var bytes = ByteBuffer()
            swap(&bytes, &pending)
            consume(&bytes)
            keep(bytes)
        }
        if isInputClosed { inputEnded() }
    }

    /// Stores what was not consumed, before anything that arrived meanwhile.
    private func keep(_ bytes: ByteBuffer) {
        var rest = bytes
        guard phase == .open || phase == .closing(isReading: true) else {
            pending = ByteBuffer()
            return
        }
        if rest.readableBytes == 0, pending.readableBytes == 0 {
            // A received buffer is left to the channel, which uses it for the next read.
            if pending.capacity > Self.keptCapacity { pending = ByteBuffer() }
            return
        }
        if pending.readableBytes == 0 {
            pending.clear()
            pending.writeBuffer(&rest)
        } else {
            var all = ByteBuffer()
            all.writeBuffer(&rest)
            all.writeBuffer(&pending)
            pending = all
        }
    }

    /// Takes frames off the front of `bytes` until one is incomplete, reading is paused, or the connection is done for.
    private func consume(_ bytes: inout ByteBuffer) {
        isConsuming = true
        defer { isConsuming = false }
        while bytes.readableBytes > 0 {
            switch phase {
            case .open where stream?.isPaused == true: return
            case .open, .closing(isReading: true): break
            case .settingUp, .closing, .closed: return
            }
            let used = bytes.withUnsafeReadableBytes { input in
                switch assembler.next(input) {
                case .needsMore: return 0
                case .frame(let size, let event):
                    handle(event, in: input)
                    return size
                }
            }
            guard used > 0 else { return }
            bytes.moveReaderIndex(forwardBy: used)
        }
    }

    private func handle(_ event: WebSocketMessageAssembler.Event, in input: UnsafeRawBufferPointer) {
        if case .closing = phase {
            switch event {
            case .close, .fault: abort()
            case .assembledMessage: assembler.discardAssembled()
            case .fragment, .message, .ping, .pong: break
            }
            return
        }
        switch event {
        case .message(let range): received(UnsafeRawBufferPointer(rebasing: input[range]))
        case .assembledMessage:
            // The local copy of the handle keeps the bytes while the handler looks at them.
            let message = assembler.assembled
            message.withUnsafeReadableBytes { received($0) }
            assembler.discardAssembled()
        case .fragment:
            if stream == nil { unexpectedData() }
        case .ping(let range): pong(UnsafeRawBufferPointer(rebasing: input[range]))
        case .pong: break
        case .close(let code):
            let stream = stream
            close(code: code)
            if let stream { stream.connectionClosed(code: code) } else { owner.dropIdle(self) }
        case .fault(let fault):
            if let stream {
                stream.connectionFaulted(fault)
            } else {
                owner.dropIdle(self)
                close(code: fault.closeCode)
            }
        }
    }

    private func received(_ message: UnsafeRawBufferPointer) {
        if let stream { return stream.received(message, on: self) }
        // After usage or silence a `[DONE]` may still come; nothing else has any business on an idle connection.
        if case .done = FrameScanner.scan(message), identity.takeLateDone() { return }
        unexpectedData()
    }

    private func unexpectedData() {
        owner.countUnexpectedData()
        owner.dropIdle(self)
        close(code: 1002)
    }

    /// Answers a ping. Where the gateway does not read its pongs, only the last ping is kept (RFC 6455, section 5.5.3).
    private func pong(_ payload: UnsafeRawBufferPointer) {
        guard let context else { return }
        guard context.channel.isWritable else {
            heldPing = Array(payload)
            return
        }
        let frame = WebSocketOutput.frame(.pong, payload: payload, allocator: context.channel.allocator)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    /// End of file. What came before it and is held back is handed out first, once the stream reads again.
    private func inputEnded() {
        guard phase != .settingUp else { return }
        if let stream {
            guard !(stream.isPaused && pending.readableBytes > 0), !isConsuming else { return }
            stream.connectionLost()
        } else {
            owner.dropIdle(self)
        }
    }
}
