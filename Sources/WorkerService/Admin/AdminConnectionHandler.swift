import NIOCore
import NIOHTTP1

/// What HTTP asks of a server about connections, and what keeps one client from holding others up: times by which a request
/// has to have come, 408 and 503, `Expect`, HTTP/1.0, `Connection: close`, one `Host`. Between NIO's HTTP coders and
/// Hummingbird; bound to the channel's event loop.
final class AdminConnectionHandler: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// Triggered when the body of a request is about to be read: whoever waits for a `100 Continue` gets it.
    struct WantsBody: Sendable {}

    private struct Request {
        /// Nothing follows its answer.
        var closes: Bool
        /// Its client knows no chunks.
        var isOld: Bool
        var isHead: Bool
        /// It waits for a word before it sends its body.
        var awaitsContinue: Bool
    }

    /// How long the rest of what a client sends is read and thrown away, so that it sees the answer and no reset.
    private static let lingerTime = TimeAmount.seconds(1)

    private let patience: AdminConnectionState.Patience
    /// There are too many connections: the answer is 503.
    private let isRefused: Bool
    private var state: AdminConnectionState
    private var requests: [Request] = []
    private var timer: Scheduled<Void>?
    private var timerAt = NIODeadline.distantFuture
    private var isStopping = false
    /// The last answer is out.
    private var isEnding = false

    init(patience: AdminConnectionState.Patience, isRefused: Bool) {
        self.patience = patience
        self.isRefused = isRefused
        state = AdminConnectionState(patience, now: .now())
    }

    func handlerAdded(context: ChannelHandlerContext) { setTimer(context) }

    func handlerRemoved(context: ChannelHandlerContext) { timer?.cancel() }

    func channelInactive(context: ChannelHandlerContext) {
        timer?.cancel()
        context.fireChannelInactive()
    }

    // MARK: In

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isEnding else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            if isRefused { return answer(context, .serviceUnavailable, Self.tooMany, retryAfter: 5) }
            if let (status, complaint) = Self.complaint(about: head) { return answer(context, status, complaint) }
            let isOld = head.version.minor == 0
            state.headRead(now: .now())
            requests.append(
                Request(
                    closes: isOld || !head.isKeepAlive, isOld: isOld, isHead: head.method == .HEAD,
                    awaitsContinue: !isOld && head.headers.contains(name: "Expect")))
        case .body: break
        case .end: state.bodyRead()
        }
        setTimer(context)
        context.fireChannelRead(data)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent:
            isStopping = true
            act(state.stop(now: .now()), context)
            setTimer(context)
        case ChannelEvent.inputClosed where isEnding: context.close(promise: nil)
        default: break
        }
        context.fireUserInboundEventTriggered(event)
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        state.writabilityChanged(context.channel.isWritable, now: .now())
        setTimer(context)
        context.fireChannelWritabilityChanged()
    }

    // MARK: Out

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard !isEnding else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        switch unwrapOutboundIn(data) {
        case .head(var head):
            state.answerBegan()
            if let request = requests.first {
                // Whoever was not asked for its body may send it all the same, or not: only a new connection is clear.
                let closes = request.closes || request.awaitsContinue || isStopping
                // Of an answer without an end nobody says how long it is.
                let isEndless =
                    request.isHead && head.status == .ok
                    && (head.headers.first(name: "Content-Length") ?? "0") == "0"
                if isEndless { head.headers.remove(name: "Content-Length") }
                // NIO would send chunks, and their end, to whoever knows none, and to HEAD.
                let isPlain = request.isOld || isEndless
                if closes || isPlain {
                    requests[0].closes = true
                    head.headers.replaceOrAdd(name: "Connection", value: "close")
                }
                if isPlain { head.version = .http1_0 }
            }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .body:
            // What is wrong with a request is said in the body, but not to HEAD.
            guard requests.first?.isHead != true else {
                promise?.succeed()
                return
            }
            context.write(data, promise: promise)
        case .end:
            let closes = requests.isEmpty ? true : requests.removeFirst().closes
            state.answerEnded(now: .now())
            setTimer(context)
            guard closes || isStopping else { return context.write(data, promise: promise) }
            isEnding = true
            context.writeAndFlush(data, promise: promise)
            linger(context)
        }
    }

    func triggerUserOutboundEvent(
        context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?
    ) {
        guard event is WantsBody else { return context.triggerUserOutboundEvent(event, promise: promise) }
        if !isEnding, requests.first?.awaitsContinue == true {
            requests[0].awaitsContinue = false
            context.writeAndFlush(
                wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: .continue))), promise: nil)
        }
        promise?.succeed()
    }

    // MARK: -

    private static let tooMany = "too many connections; ask again"

    /// What is wrong with a request before anybody looks at what it asks for.
    static func complaint(about head: HTTPRequestHead) -> (HTTPResponseStatus, String)? {
        guard head.version.major == 1 else { return (.httpVersionNotSupported, "this server speaks HTTP/1.1") }
        let hosts = head.headers["Host"]
        // RFC 9112, section 3.2.
        guard hosts.count == 1 || (hosts.isEmpty && head.version.minor == 0) else {
            return (.badRequest, hosts.isEmpty ? "a request has a Host" : "a request has one Host")
        }
        let expectations = head.headers[canonicalForm: "Expect"]
        guard head.version.minor == 0 || expectations.allSatisfy({ $0.lowercased() == "100-continue" }) else {
            return (.expectationFailed, "100-continue is all that may be expected")
        }
        return nil
    }

    private func act(_ verdict: AdminConnectionState.Verdict, _ context: ChannelHandlerContext) {
        guard !isEnding else { return }
        switch verdict {
        case .goOn: break
        case .close: context.close(promise: nil)
        case .requestTimeout where isRefused: answer(context, .serviceUnavailable, Self.tooMany, retryAfter: 5)
        case .requestTimeout: answer(context, .requestTimeout, "the request did not come in time")
        case .stopping: answer(context, .serviceUnavailable, "the worker stops")
        }
    }

    /// The last answer of this connection, beside whoever would have answered.
    private func answer(
        _ context: ChannelHandlerContext, _ status: HTTPResponseStatus, _ text: String, retryAfter: Int? = nil
    ) {
        // Behind the head of another answer, or before one that is still to come, nobody would understand it.
        guard requests.count <= 1 else { return context.close(promise: nil) }
        isEnding = true
        let body = ByteBuffer(string: #"{"error":{"message":"\#(text)"}}"#)
        var headers = HTTPHeaders([
            ("Content-Type", "application/json; charset=utf-8"), ("Content-Length", "\(body.readableBytes)"),
            ("Connection", "close"), ("Cache-Control", "no-store"),
        ])
        if let retryAfter { headers.add(name: "Retry-After", value: "\(retryAfter)") }
        context.write(
            wrapOutboundOut(.head(HTTPResponseHead(version: .http1_1, status: status, headers: headers))), promise: nil)
        if requests.first?.isHead != true { context.write(wrapOutboundOut(.body(.byteBuffer(body))), promise: nil) }
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        linger(context)
    }

    /// Nothing more is said; what the client still sends is read for a moment.
    private func linger(_ context: ChannelHandlerContext) {
        timer?.cancel()
        context.close(mode: .output, promise: nil)
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.lingerTime) { context.close(promise: nil) }
    }

    /// Only an earlier deadline needs a timer of its own: one that comes too early looks again.
    private func setTimer(_ context: ChannelHandlerContext) {
        let deadline = state.deadline
        guard !isEnding, deadline < timerAt else { return }
        timer?.cancel()
        timerAt = deadline
        timer = context.eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
            self.timerAt = .distantFuture
            self.act(self.state.timeout(now: .now()), context)
            self.setTimer(context)
        }
    }
}
