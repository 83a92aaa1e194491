import NIOCore
import NIOHTTP1

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Answers chat completion requests over HTTP with server-sent events, one after another, and carries out what
/// `AnswerStream` decides; other requests it passes on. Lives on the event loop of its connection, or of its HTTP/2 stream.
final class EventStreamHandler: ChannelInboundHandler, AnswerRunner {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private static let done = Array("[DONE]".utf8)

    let shared: GatewayContext
    private let admission: Admission
    /// The number of the connection; it counts as one with its first request.
    private var connection: Int?
    private let isStream: Bool
    private var context: ChannelHandlerContext?
    /// The request that is being read, or answered.
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()
    private var isTooLarge = false
    var output: EventStreamOutput
    var timer: NIOScheduledCallback?
    private var current: ServedRequest?
    var stream: AnswerStream?
    private var bridgeTask: Task<Void, Never>?
    var waitsForWritability = false
    private var isClosed = false

    /// - Parameter stream: the number of the HTTP/2 connection of which this is one stream.
    init(admission: Admission, context: GatewayContext, streamOf connection: Int? = nil) {
        self.shared = context
        self.admission = admission
        self.connection = connection
        isStream = connection != nil
        output = EventStreamOutput(
            options: context.options, seed: context.options.seed &+ UInt64(truncatingIfNeeded: connection ?? 0))
    }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        endConnection()
        self.context = nil
    }

    func channelInactive(context: ChannelHandlerContext) {
        endConnection()
        context.fireChannelInactive()
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writabilityChanged(context.channel)
        context.fireChannelWritabilityChanged()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    func handleScheduledCallback(eventLoop: some EventLoop) {
        timer = nil
        run()
    }

    // MARK: Requests

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let part = unwrapInboundIn(data)
        if case .head(let head) = part, head.method == .POST,
            head.uri.prefix(while: { $0 != "?" }) == admission.httpPath
        {
            self.head = head
            body.clear()
            isTooLarge = false
            return
        }
        guard let head else { return context.fireChannelRead(data) }
        switch part {
        case .head: break
        case .body(var bytes):
            isTooLarge = isTooLarge || body.readableBytes + bytes.readableBytes > shared.options.maximumRequestSize
            if !isTooLarge { body.writeBuffer(&bytes) }
        case .end: received(head)
        }
    }

    private func received(_ head: HTTPRequestHead) {
        if connection == nil { connection = shared.nextConnection() }
        let request = isTooLarge ? nil : Result { () throws(ChatRequest.Invalid) in try ChatRequest(parsing: body) }
        let fault = shared.faultOfNextHead(.init(model: (try? request?.get().model) ?? ""))
        if let answer = admission.refusal(of: head, fault: fault) {
            shared.countRefused()
            return respond(answer)
        }
        guard let request else { return respond(.error(413, "The request is too large")) }
        let ordinal = shared.nextRequest()
        do throws(ChatRequest.Invalid) {
            let request = try request.get()
            let fault = fault ?? shared.fault(for: request, model: request.model, ordinal: ordinal)
            start(ServedRequest(request: request, body: body, ordinal: ordinal, fault: fault))
        } catch {
            let body = ErrorBody.nested(type: "invalid_request_error", message: error.message, param: error.param)
            respond(.init(status: 400, body: body))
        }
    }

    private func start(_ current: ServedRequest) {
        self.current = current
        if case .hang = current.fault {
            // It stays open, and silent, until the client has had enough.
            return record(id: "", model: current.request.model, end: .fault("hang"), tokens: 0, texts: [])
        }
        if case .dripHead(let milliseconds) = current.fault, let context {
            DripHandler.install(on: context.channel, milliseconds: milliseconds)
        }
        if let bridge = shared.bridge {
            beginStream()
            startBridge(bridge, body: current.body)
            return
        }
        let model = current.request.model.isEmpty ? "simulated" : current.request.model
        var plan = shared.planner.plan(
            current.request, model: model, ordinal: current.ordinal, fault: current.fault, lateChunk: nil,
            created: GatewayContext.now())
        plan.sendsDone = true
        if case .refuse(let status, let retryAfter) = current.fault {
            record(id: plan.id, model: plan.model, end: .fault("refuse"), tokens: 0, texts: [])
            respond(.error(status, "Simulated refusal", retryAfter: retryAfter))
        } else if let shape = plan.shape, shape.status != 200 {
            record(id: plan.id, model: plan.model, end: .fault("refuse"), tokens: 0, texts: [])
            respond(.init(status: shape.status, retryAfter: shape.retryAfter, body: shape.body))
        } else if current.request.streams {
            stream = AnswerStream(plan: plan, startedAt: .now())
            beginStream()
            run()
        } else {
            let texts = WholeAnswer.texts(of: plan)
            let tokens = WholeAnswer.tokens(of: plan)
            shared.countTokens(tokens)
            record(id: plan.id, model: plan.model, end: .complete, tokens: tokens, texts: texts)
            respond(.init(status: 200, body: WholeAnswer.body(plan: plan, texts: texts)))
        }
    }

    // MARK: Answers

    /// The client hears at once that it will be answered, as from a real gateway.
    private func beginStream() {
        var headers = HTTPHeaders([("cache-control", "no-cache")])
        for type in stream?.plan.shape?.contentTypes ?? ["text/event-stream; charset=utf-8"] {
            headers.add(name: "content-type", value: type)
        }
        if !keepsAlive, !isStream { headers.add(name: "connection", value: "close") }
        context?.writeAndFlush(
            wrapOutboundOut(.head(.init(version: version, status: .ok, headers: headers))), promise: nil)
    }

    var answerChannel: (any Channel)? { isClosed ? nil : context?.channel }

    func answerEnded(_ step: AnswerStream.Step) {
        switch step {
        case .more, .wait, .drip: break
        case .complete:
            endStream(.complete)
            endBody()
        case .failed:
            endStream(.fault(current?.fault?.kind ?? "error"))
            endBody()
        case .close:
            endStream(.fault("close"))
            endBody()
        case .cut:
            endStream(.fault("cut"))
            cut(resets: false)
        case .reset:
            endStream(.fault("reset"))
            cut(resets: true)
        case .silent:
            endStream(.fault("silence"))
            flush()
        }
    }

    /// The answer is recorded before its last bytes leave: whoever has seen its end finds it.
    private func endStream(_ end: SimulatedAnswer.End) {
        guard let stream else { return }
        self.stream = nil
        let texts = stream.plan.recordsText ? stream.plan.choices.indices.map { stream.text(ofChoice: $0) } : []
        record(id: stream.plan.id, model: stream.plan.model, end: end, tokens: stream.tokensSent, texts: texts)
    }

    private func record(id: String, model: String, end: SimulatedAnswer.End, tokens: Int, texts: [String]) {
        guard let current else { return }
        self.current = nil
        shared.record(
            current, connection: connection ?? 0, id: id, model: model, end: end, tokens: tokens, texts: texts)
    }

    // MARK: Bridge

    private func startBridge(_ bridge: UpstreamBridge, body: ByteBuffer) {
        guard let eventLoop = context?.eventLoop else { return }
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        bridge.tally.enter()
        // The task ends with the connection, which cancels it, and before the event loops, which the tally sees to.
        bridgeTask = Task {
            let end = await bridge.answer(body) { messages in
                try await eventLoop.flatSubmit { bound.value.deliver(messages, on: eventLoop) }.get()
            }
            try? await eventLoop.submit { bound.value.bridgeEnded(end) }.get()
            bridge.tally.leave()
        }
    }

    /// Writes the upstream's messages; the future is done when the socket has taken them.
    private func deliver(_ messages: [[UInt8]], on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        guard !isClosed, current != nil else { return eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel) }
        // The end of an event stream is written once, in `bridgeEnded`.
        for message in messages where message != Self.done { output.message(message) }
        shared.countTokens(messages.count)
        let written = eventLoop.makePromise(of: Void.self)
        flush(promise: written)
        return written.futureResult
    }

    private func bridgeEnded(_ end: UpstreamBridge.End) {
        bridgeTask = nil
        let isComplete = end.isComplete || (isClosed && end.isFinished)
        record(
            id: end.id, model: end.model, end: isComplete ? .complete : isClosed ? .abandoned : .fault("upstream"),
            tokens: end.messages, texts: [end.text])
        guard !isClosed else { return }
        output.message(Self.done)
        endBody()
    }

    // MARK: Responses

    private var version: HTTPVersion { isStream ? .http2 : .http1_1 }

    private var keepsAlive: Bool { head?.isKeepAlive == true && !shared.options.closesAfterAnswer }

    private func respond(_ answer: Admission.Answer) {
        var headers = answer.headers
        if !keepsAlive, !isStream { headers.add(name: "connection", value: "close") }
        let head = HTTPResponseHead(
            version: version, status: HTTPResponseStatus(statusCode: answer.status), headers: headers)
        context?.write(wrapOutboundOut(.head(head)), promise: nil)
        context?.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: answer.body)))), promise: nil)
        endBody()
    }

    func flush() { flush(promise: nil) }

    private func flush(promise: EventLoopPromise<Void>?) {
        let pieces = output.take()
        for piece in pieces.dropLast() {
            context?.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(piece))), promise: nil)
        }
        guard let context, let last = pieces.last else {
            promise?.succeed()
            return
        }
        context.writeAndFlush(wrapOutboundOut(.body(.byteBuffer(last))), promise: promise)
    }

    private func endBody() {
        guard let context else { return }
        flush()
        let closes = !keepsAlive && !isStream
        head = nil
        current = nil
        let written = context.writeAndFlush(wrapOutboundOut(.end(nil)))
        if closes { written.assumeIsolated().whenComplete { _ in context.close(promise: nil) } }
    }

    /// The connection, or the HTTP/2 stream, ends in the middle of the body.
    private func cut(resets: Bool) {
        guard let context else { return }
        let written = context.eventLoop.makePromise(of: Void.self)
        flush(promise: written)
        written.futureResult.assumeIsolated().whenComplete { _ in
            guard resets, let socket = context.channel as? any SocketOptionProvider else {
                context.close(promise: nil)
                return
            }
            socket.setSoLinger(linger(l_onoff: 1, l_linger: 0)).assumeIsolated().whenComplete { _ in
                context.close(promise: nil)
            }
        }
    }

    private func endConnection() {
        guard !isClosed else { return }
        isClosed = true
        timer?.cancel()
        timer = nil
        // Records its own end when it has heard of it.
        bridgeTask?.cancel()
        endStream(.abandoned)
        if connection != nil, !isStream { shared.connectionClosed() }
    }
}
