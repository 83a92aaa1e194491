import ChatModel
import NIOCore
import NIOHTTP1
import NIOHTTP2
import PeerChecks

/// One HTTP connection to the gateway, or one stream of an HTTP/2 connection: carries out what streams and the pool
/// decide.
///
/// It is the last handler of its channel, behind the HTTP/1.1 coders or behind their HTTP/2 equal. Bound to its event
/// loop. Over HTTP/1.1 it serves one stream after another; over HTTP/2 it serves one, and `HTTP2Session` is kept instead.
final class EventStreamConnection: ChannelDuplexHandler, GatewayConnection {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = HTTPClientRequestPart
    typealias OutboundOut = HTTPClientRequestPart

    enum Phase {
        case settingUp
        /// No request is under way.
        case idle
        /// The request is on its way or out, the head of the answer has not come.
        case requested
        /// Events are read.
        case answering
        /// The answer does not say that it is a stream: its beginning is read.
        case beginning(AnswerBeginning, HTTPResponseHead)
        /// The answer is no stream: the beginning of its body is read.
        case refused(GatewayRefusal)
        /// The stream is over; the rest of the answer is read, so that the connection can be used again.
        case draining(bytes: Int)
        case closed
    }

    private struct Outgoing {
        var head: HTTPRequestHead
        var body: ByteBuffer
        let flushed: () -> Void
    }

    /// How long the rest of an answer, or of a refusal, is waited for.
    static let restTime = TimeAmount.seconds(1)
    /// More of it is not read for the sake of the connection.
    static let longestRest = 65_536

    let owner: GatewayLoop
    let openedAt: NIODeadline
    var phase = Phase.settingUp
    private(set) var stream: GatewayStream?
    /// Of the request that is under way.
    private(set) var key: Int
    var whenSetUp: (((any GatewayConnection)?, GatewayFailure?) -> Void)?
    var identity = AnswerIdentity()
    /// The response is the answer.
    var isOneAnswer: Bool { true }
    var parser: EventStreamParser
    /// Events that are not whole yet, or that came while reading was paused.
    var pending = PendingInput()
    var isConsuming = false
    /// The whole answer has come.
    var isBodyEnded = false
    /// The gateway keeps the connection open after this answer.
    var keepsAlive = true

    private var channel: (any Channel)?
    private(set) var context: ChannelHandlerContext?
    private var timer: LoopTimer?
    /// The HTTP/2 connection that this is one stream of.
    private(set) var session: HTTP2Session?
    private var isCounted = false
    var isReadHeld = false
    /// A request for a channel that is not there yet.
    private var outgoing: Outgoing?
    private var isRequestOut = true
    private(set) var isInputClosed = false

    init(owner: GatewayLoop, key: Int, stream: GatewayStream?, now: NIODeadline) {
        self.owner = owner
        self.key = key
        self.stream = stream
        openedAt = now
        parser = EventStreamParser(maximumEventSize: owner.configuration.maximumMessageSize)
    }

    /// The model stands in the request: any connection will do.
    static let sharedPoolKey = ""

    var poolKey: String { Self.sharedPoolKey }

    var pendingRefusal: GatewayFailure? {
        switch phase {
        case .refused(let refusal): failure(of: refusal)
        case .beginning(let beginning, let head): failure(of: Self.refusal(head, beginning))
        case .settingUp, .idle, .requested, .answering, .draining, .closed: nil
        }
    }

    // MARK: Set-up

    func connect(trace: TraceContext?) {
        owner.dial().assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.connected(channel)
            case .failure(let error): self.setUpFailed(GatewayFailure(setUp: error, stage: .connect))
            }
        }
    }

    private func connected(_ channel: any Channel) {
        guard case .settingUp = phase else {
            channel.close(promise: nil)
            return
        }
        follow(channel)
        do {
            try owner.addTLS(to: channel)
            if owner.tls == nil {
                try speakHTTP1(on: channel)
            } else {
                let handler = TLSHandshakeHandler { [weak self] result in
                    self?.handshakeEnded(result, on: channel)
                }
                try channel.pipeline.syncOperations.addHandler(handler)
            }
            try owner.startReading(channel)
        } catch {
            setUpFailed(GatewayFailure(setUp: error, stage: .connect))
        }
    }

    private func handshakeEnded(_ result: Result<String?, GatewayFailure>, on channel: any Channel) {
        guard case .settingUp = phase else { return }
        do {
            switch result {
            case .failure(let failure): setUpFailed(failure)
            case .success("h2"): try speakHTTP2(on: channel)
            case .success: try speakHTTP1(on: channel)
            }
        } catch {
            channel.close(promise: nil)
            setUpFailed(GatewayFailure(setUp: error, stage: .connect))
        }
    }

    private func speakHTTP1(on channel: any Channel) throws {
        owner.mayShareConnections = false
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(GatewayHTTP1.makeEncoder())
        try pipeline.addHandler(GatewayHTTP1.makeDecoder())
        try pipeline.addHandler(self)
        isCounted = true
        owner.connectionOpened()
        becomeReady()
    }

    /// From here on the channel is the session's, and this connection one stream of it. Where many connect at once, the
    /// first one's session serves them all.
    private func speakHTTP2(on channel: any Channel) throws {
        owner.mayShareConnections = true
        self.channel = nil
        if stream == nil {
            // Nobody waits for it: the session is all that is wanted.
            if owner.session(now: .now()) == nil {
                try owner.addSession(on: channel, openedAt: openedAt, whenSettled: openedAhead).becomeIdle()
            } else {
                channel.close(promise: nil)
                openedAhead(cameAbout: true)
            }
            return
        }
        if let session = owner.session(now: .now()) {
            channel.close(promise: nil)
            owner.openingEnded(self, cameAbout: true)
            session.open(self)
        } else {
            try owner.addSession(on: channel, openedAt: openedAt) { cameAbout in
                self.owner.openingEnded(self, cameAbout: cameAbout)
            }.open(self)
        }
        becomeReady()
    }

    private func openedAhead(cameAbout: Bool) {
        guard case .settingUp = phase else { return }
        phase = .closed
        owner.openingEnded(self, cameAbout: cameAbout)
        owner.forget(self)
        whenSetUp.take()?(
            nil,
            cameAbout ? nil : .unreachable(.connect, "The gateway closed the connection before its HTTP/2 settings."))
    }

    private func becomeReady() {
        guard stream != nil || whenSetUp != nil, context != nil || session != nil else {
            return setUpFailed(.unreachable(.connect, "The gateway closed the connection during its set-up."))
        }
        phase = .idle
        if session == nil { owner.openingEnded(self, cameAbout: true) }
        if let stream { stream.connectionReady(self, isReused: false) } else { whenSetUp.take()?(self, nil) }
    }

    func setUpFailed(_ failure: GatewayFailure) {
        guard case .settingUp = phase else { return }
        if let stream { return stream.connectionFailed(failure) }
        abort()
        whenSetUp.take()?(nil, failure)
    }

    /// HTTP/1.1 has no word for it, and over HTTP/2 `HTTP2Session` does it.
    func ping() {}

    /// It is to be a stream of a session, whose channel comes with the loop's next turn.
    func join(_ session: HTTP2Session) { self.session = session }

    /// Puts itself on the channel of its stream. Throws where nobody waits for it any more.
    func multiplex(on channel: any Channel) throws {
        guard session != nil, !isClosed else { throw ChannelError.ioOnClosedChannel }
        follow(channel)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTP2StatusGuard())
        try pipeline.addHandler(HTTP2FramePayloadToHTTP1ClientCodec(httpProtocol: .https))
        try pipeline.addHandler(self)
    }

    /// There is no channel for it: the session has died.
    func sessionFailed() {
        guard !isClosed, channel == nil else { return }
        isInputClosed = true
        inputEnded()
    }

    private var isClosed: Bool { if case .closed = phase { true } else { false } }

    private func leaveSession() {
        session?.streamClosed()
        session = nil
    }

    private func follow(_ channel: any Channel) {
        self.channel = channel
        channel.closeFuture.assumeIsolated().whenComplete { _ in
            if self.channel === channel { self.channelClosed() }
        }
    }

    // MARK: Streams

    func attach(_ stream: GatewayStream) -> Bool {
        guard case .idle = phase, !isInputClosed, self.stream == nil, channel?.isActive == true else { return false }
        self.stream = stream
        key = stream.key
        return true
    }

    /// Ready for the stream that it was made for, on a session that was there already.
    func attachToSession() { phase = .idle }

    func send(_ body: ByteBuffer, trace: TraceContext?, flushed: @escaping () -> Void) {
        guard context != nil || session != nil else { return }
        phase = .requested
        identity = AnswerIdentity()
        parser = EventStreamParser(maximumEventSize: owner.configuration.maximumMessageSize)
        isBodyEnded = false
        isRequestOut = false
        let head = EventStreamRequest.head(
            configuration: owner.configuration, key: owner.keys[key], bodySize: body.readableBytes,
            trace: trace)
        outgoing = Outgoing(head: head, body: body, flushed: flushed)
        writeRequest()
    }

    /// Once the channel can take it.
    private func writeRequest() {
        guard let context, context.channel.isActive, let request = outgoing else { return }
        outgoing = nil
        context.write(wrapOutboundOut(.head(request.head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(request.body))), promise: nil)
        // Made only here: a request that never leaves must not leave a promise behind.
        let promise = owner.eventLoop.makePromise(of: Void.self)
        promise.futureResult.assumeIsolated().whenSuccess {
            self.isRequestOut = true
            request.flushed()
        }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func resume() {
        releaseRead()
        consumePending()
    }

    func release(_ farewell: GatewayStreamMachine.Farewell) {
        stream = nil
        pending.discard()
        guard case .reuse = farewell, keepsAlive, isRequestOut, !isInputClosed, context != nil else { return abort() }
        switch phase {
        case .answering, .refused, .beginning: isBodyEnded ? becomeIdle() : drain()
        case .settingUp, .idle, .requested, .draining, .closed: abort()
        }
    }

    /// The answer is read to its end: another request may follow.
    func becomeIdle() {
        timer?.invalidate()
        timer = nil
        phase = .idle
        guard session == nil, owner.keep(self) else { return abort() }
        releaseRead()
    }

    private func drain() {
        phase = .draining(bytes: 0)
        startTimer()
        releaseRead()
    }

    /// The rest of an answer is awaited.
    func startTimer() {
        let timer = LoopTimer(loop: owner.eventLoop) { [weak self] in self?.waitedEnough() }
        timer.set(.now() + Self.restTime)
        self.timer = timer
    }

    private func waitedEnough() {
        switch phase {
        case .refused: refuse(isWhole: false)
        case .draining: abort()
        case .settingUp, .idle, .requested, .beginning, .answering, .closed: break
        }
    }

    /// HTTP has no word for goodbye.
    func retire() { abort() }

    func abort() {
        guard !isClosed else { return }
        phase = .closed
        timer?.invalidate()
        timer = nil
        outgoing = nil
        releaseRead()
        if let channel {
            channel.close(promise: nil)
        } else {
            leaveSession()
            owner.forget(self)
        }
    }

    private func channelClosed() {
        context = nil
        channel = nil
        if isCounted {
            isCounted = false
            owner.connectionClosed()
        }
        outgoing = nil
        leaveSession()
        // A paused stream still has to be handed what came before the end; its release does the rest.
        guard stream == nil else { return }
        phase = .closed
        timer?.invalidate()
        timer = nil
        owner.forget(self)
    }

    // MARK: ChannelHandler

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func channelActive(context: ChannelHandlerContext) {
        writeRequest()
        context.fireChannelActive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { self.context = nil }

    func read(context: ChannelHandlerContext) {
        gate(context, isShut: stream?.isPaused == true)
    }

    func channelInactive(context: ChannelHandlerContext) {
        isInputClosed = true
        inputEnded()
        context.fireChannelInactive()
    }

    /// An answer that is not HTTP is told apart; all else ends like any other lost connection.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let stream, let complaint = Self.complaint(about: error) {
            let stage: GatewayFailure.Stage = if case .requested = phase { .request } else { .streaming }
            stream.answerRefused(.protocolError(stage, complaint), isWhole: false)
        }
        context.close(promise: nil)
    }

    private static func complaint(about error: any Error) -> String? {
        switch error {
        case HTTPParserError.invalidEOFState: nil
        case is HTTPParserError: "The gateway answered with something that is not HTTP/1.1."
        case is HTTP2StatusGuard.BadStatus: HTTPResponseHead.noStatus
        default: nil
        }
    }
}
