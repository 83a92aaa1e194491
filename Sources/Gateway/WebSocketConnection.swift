import ChatModel
import NIOCore

/// One WebSocket to the gateway, from its TCP connect to its close: carries out what streams and the pool decide.
///
/// After the upgrade it is the only handler behind TLS. Bound to its event loop; it serves one stream after another.
final class WebSocketConnection: ChannelDuplexHandler, GatewayConnection {
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

    let owner: GatewayLoop
    private let model: String
    let key: Int
    let poolKey: String
    var whenSetUp: (((any GatewayConnection)?, GatewayFailure?) -> Void)?
    let openedAt: NIODeadline
    private(set) var phase = Phase.settingUp
    private(set) var stream: GatewayStream?
    /// Who has the connection to itself, without streams; the worker has none.
    let bareUser: (any BareWebSocketUser)?
    var identity = AnswerIdentity()
    var isOneAnswer: Bool { owner.configuration.idsChange }
    /// Requests sent so far.
    private(set) var requests = 0
    private var isCounted = false
    var assembler: WebSocketMessageAssembler

    private var channel: (any Channel)?
    private(set) var context: ChannelHandlerContext?
    private var upgradeHandler: WebSocketUpgradeHandler?
    private var closeTimer: LoopTimer?
    /// Frames that are not whole yet, or that came while reading was paused.
    var pending = PendingInput()
    var isConsuming = false
    var isReadHeld = false
    private(set) var isInputClosed = false
    /// The payload of a ping to be answered when the socket takes bytes again.
    var heldPing: [UInt8]?

    init(owner: GatewayLoop, model: String, key: Int, stream: GatewayStream?, now: NIODeadline) {
        self.owner = owner
        self.model = model
        self.key = key
        // The model stands in the address of the upgrade, and the key in its headers.
        poolKey = owner.poolKey(model: model, key: key)
        self.stream = stream
        bareUser = nil
        openedAt = now
        assembler = WebSocketMessageAssembler(
            maximumMessageSize: owner.configuration.maximumMessageSize,
            maximumFragments: owner.configuration.maximumFragments)
    }

    /// A connection that serves no streams, nor any pool.
    init(owner: GatewayLoop, model: String, user: any BareWebSocketUser, now: NIODeadline) {
        self.owner = owner
        self.model = model
        key = 0
        poolKey = owner.poolKey(model: model, key: 0)
        bareUser = user
        openedAt = now
        assembler = WebSocketMessageAssembler(
            maximumMessageSize: owner.configuration.maximumMessageSize,
            maximumFragments: owner.configuration.maximumFragments, isBinaryText: false)
    }

    // MARK: Set-up

    func connect(trace: TraceContext?) {
        owner.dial().assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.connected(channel, trace: trace)
            case .failure(let error): self.setUpFailed(GatewayFailure(setUp: error, stage: .connect))
            }
        }
    }

    private func connected(_ channel: any Channel, trace: TraceContext?) {
        guard phase == .settingUp else {
            channel.close(promise: nil)
            return
        }
        self.channel = channel
        channel.closeFuture.assumeIsolated().whenComplete { _ in self.channelClosed() }
        let configuration = owner.configuration
        do {
            try owner.addTLS(to: channel)
            let apiKey = owner.keys[key]
            let request = WebSocketUpgradeRequest(
                configuration: configuration, model: model, key: apiKey, trace: trace)
            upgradeHandler = try .install(
                on: channel, connection: self, request: request, configuration: configuration, key: apiKey)
            try owner.startReading(channel)
        } catch {
            setUpFailed(GatewayFailure(setUp: error, stage: .connect))
        }
    }

    /// TCP and TLS stand; the upgrade request is about to leave.
    func upgradeStarted() { stream?.connectionEstablished() }

    func setUpFailed(_ failure: GatewayFailure) {
        guard phase == .settingUp else { return }
        if let stream { return stream.connectionFailed(failure) }
        abort()
        whenSetUp.take()?(nil, failure)
    }

    var pendingRefusal: GatewayFailure? { upgradeHandler?.refusal }

    /// The HTTP handlers are gone.
    func upgradeFinished() {
        upgradeHandler = nil
        guard phase == .settingUp else { return }
        guard !isInputClosed, stream != nil || whenSetUp != nil || bareUser != nil, context != nil else {
            return setUpFailed(.unreachable(.upgrade, "The gateway closed the connection during its set-up."))
        }
        phase = .open
        isCounted = true
        owner.connectionOpened()
        owner.openingEnded(self, cameAbout: true)
        if let stream { stream.connectionReady(self, isReused: false) } else { whenSetUp.take()?(self, nil) }
        consumePending()
    }

    // MARK: Streams

    func attach(_ stream: GatewayStream) -> Bool {
        guard phase == .open, !isInputClosed, self.stream == nil, let channel, channel.isActive else { return false }
        self.stream = stream
        return true
    }

    /// Sends the request as one text message.
    func send(_ body: ByteBuffer, trace: TraceContext?, flushed: @escaping () -> Void) {
        guard let context else { return }
        requests &+= 1
        let frame = body.withUnsafeReadableBytes {
            WebSocketOutput.frame(.text, payload: $0, allocator: context.channel.allocator)
        }
        let promise = context.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess(flushed)
        context.writeAndFlush(wrapOutboundOut(frame), promise: promise)
    }

    func release(_ farewell: GatewayStreamMachine.Farewell) {
        stream = nil
        switch farewell {
        case .reuse(let sawDone):
            let isSafe = identity.endAnswer(sawDone: sawDone)
            if phase == .open, !isInputClosed, isSafe, !isOneAnswer, !assembler.isInsideMessage, owner.keep(self) {
                releaseRead()
            } else {
                close(code: 1000, isReading: true)
            }
        case .close(let code): close(code: code, isReading: code == 1000 || code == 1001)
        case .abort: abort()
        }
    }

    func resume() {
        releaseRead()
        guard !isConsuming else { return }
        consumePending()
    }

    func ping() {
        guard phase == .open, let context else { return }
        let frame = WebSocketOutput.frame(
            .ping, payload: UnsafeRawBufferPointer(start: nil, count: 0), allocator: context.channel.allocator)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    // MARK: Close

    func retire() { close(code: 1000, isReading: true) }

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
        if !isReading { pending.discard() }
        let frame = WebSocketOutput.close(code: code, allocator: context.channel.allocator)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
        releaseRead()
        let timer = LoopTimer(loop: owner.eventLoop) { [weak self] in self?.abort() }
        timer.set(.now() + Self.closeTime)
        closeTimer = timer
    }

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
        if let channel { channel.close(promise: nil) } else { forget() }
    }

    private func channelClosed() {
        context = nil
        channel = nil
        upgradeHandler = nil
        if isCounted { owner.connectionClosed() }
        isCounted = false
        // A paused stream still has to be handed what came before the end; its release does the rest.
        guard stream == nil else { return }
        phase = .closed
        closeTimer?.invalidate()
        closeTimer = nil
        forget()
    }

    private func forget() {
        owner.forget(self)
        bareUser?.connectionEnded()
    }

    // MARK: ChannelHandler

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func read(context: ChannelHandlerContext) {
        gate(context, isShut: phase == .open && stream?.isPaused == true)
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
}
