import NIOCore
import NIOHTTP2

/// One HTTP/2 connection to the gateway, shared by the requests of its event loop: a stream for each.
///
/// The last handler of its channel, where it sees what concerns the connection as a whole. Bound to its event loop.
final class HTTP2Session: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame

    /// Streams before the gateway's settings have come, which begin all that it sends (RFC 9113, section 3.4): with more, some
    /// might be beyond its limit and wait for the end of others.
    private static let firstLimit = 1
    /// Streams of a gateway whose settings name no limit (section 6.5.2 asks for no fewer).
    private static let usualLimit = 100

    private let owner: GatewayLoop
    private let channel: any Channel
    private let multiplexer: HTTP2StreamMultiplexer
    let openedAt: NIODeadline
    private let oldAt: NIODeadline
    private let check: (after: TimeAmount, patience: TimeAmount)?
    private var limit = firstLimit
    /// Until the gateway's settings have come, or it is closed.
    private var whenSettled: ((_ cameAbout: Bool) -> Void)?
    private var streams = 0
    /// The gateway, or its age, allows no more streams.
    private var isLeaving = false
    /// Counted as idle.
    private var isIdle = false
    private var isClosed = false
    /// While it is idle: until when, and when it is pinged next, or a pong is due.
    private var closesAt = NIODeadline.distantFuture
    private var checkAt = NIODeadline.distantFuture
    private var awaitsPong = false
    private lazy var timer = LoopTimer(loop: owner.eventLoop) { [weak self] in self?.timedOut() }

    /// Speaks HTTP/2 on a channel whose handshake agreed on it.
    ///
    /// - Parameter whenSettled: called once, when the gateway's settings have come, so that others can have streams of it as
    ///   well, or with `false`, when it is closed before.
    init(
        owner: GatewayLoop, channel: any Channel, openedAt: NIODeadline,
        whenSettled: @escaping (_ cameAbout: Bool) -> Void
    ) throws {
        self.owner = owner
        self.channel = channel
        self.openedAt = openedAt
        self.whenSettled = whenSettled
        check = GatewayLoop.ping(owner.configuration)
        oldAt = openedAt + TimeAmount(bounded: owner.configuration.maximumAge)
        multiplexer = HTTP2StreamMultiplexer(mode: .client, channel: channel, inboundStreamInitializer: nil)
        let settings = nioDefaultSettings + [HTTP2Setting(parameter: .enablePush, value: 0)]
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(NIOHTTP2Handler(mode: .client, initialSettings: settings))
        try pipeline.addHandler(multiplexer)
        try pipeline.addHandler(self)
        channel.closeFuture.assumeIsolated().whenComplete { _ in self.channelClosed() }
    }

    func takesStream(now: NIODeadline) -> Bool {
        !isLeaving && !isClosed && channel.isActive && streams < limit && now < oldAt
    }

    /// Makes a stream for a connection. Its channel comes with the loop's next turn, or `sessionFailed`.
    func open(_ connection: EventStreamConnection) {
        streams += 1
        endIdleness()
        connection.join(self)
        let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
        let parent = channel
        let promise = channel.eventLoop.makePromise(of: (any Channel).self)
        promise.futureResult.assumeIsolated().whenFailure { _ in connection.sessionFailed() }
        multiplexer.createStreamChannel(promise: promise) { channel in
            channel.eventLoop.makeCompletedFuture {
                guard parent.isActive else { throw ChannelError.ioOnClosedChannel }
                try bound.value.multiplex(on: channel)
            }
        }
    }

    /// A stream has ended, whichever way.
    func streamClosed() {
        streams -= 1
        if streams == 0 { becomeIdle() }
    }

    /// Takes no more streams; closes when those that there are have ended.
    func retire() {
        isLeaving = true
        if streams == 0 { close() }
    }

    /// Closes the connection, and all streams with it.
    func close() {
        guard !isClosed else { return }
        isLeaving = true
        channel.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data).payload {
        case .settings(.settings(let settings)):
            if whenSettled != nil { limit = Self.usualLimit }
            for setting in settings where setting.parameter == .maxConcurrentStreams { limit = setting.value }
            whenSettled.take()?(true)
        case .goAway: retire()
        case .ping(_, ack: true): if isIdle { expectPing() }
        default: break
        }
    }

    /// What concerns one stream is told to that stream; all else ends the connection.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is NIOHTTP2Errors.StreamError { return }
        context.close(promise: nil)
    }

    /// The last of its streams has ended, or the first has not begun.
    func becomeIdle() {
        guard !isClosed else { return }
        let now = NIODeadline.now()
        guard !isLeaving, now < oldAt, owner.keepSession() else { return close() }
        isIdle = true
        let isKept = owner.filler.minimum > 0
        closesAt = isKept ? oldAt : min(now + TimeAmount(bounded: owner.configuration.keepIdle), oldAt)
        expectPing()
    }

    private func expectPing() {
        awaitsPong = false
        checkAt = check.map { .now() + $0.after } ?? .distantFuture
        timer.set(min(closesAt, checkAt))
    }

    private func timedOut() {
        guard let check, NIODeadline.now() < closesAt else { return close() }
        if awaitsPong {
            owner.countSilence()
            return close()
        }
        awaitsPong = true
        checkAt = .now() + check.patience
        timer.set(min(closesAt, checkAt))
        channel.writeAndFlush(
            HTTP2Frame(streamID: .rootStream, payload: .ping(HTTP2PingData(), ack: false)), promise: nil)
    }

    private func endIdleness() {
        guard isIdle else { return }
        isIdle = false
        timer.set(nil)
        owner.endIdlenessOfSession()
    }

    private func channelClosed() {
        isClosed = true
        whenSettled.take()?(false)
        endIdleness()
        timer.invalidate()
        owner.forget(self)
    }
}
