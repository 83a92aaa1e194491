import NIOCore
import NIOWebSocket

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// One client's connection after the upgrade: takes requests, one after another, and carries out what `AnswerStream`
/// and `MessageAssembler` decide. Lives on the connection's event loop.
final class GatewayConnectionHandler: ChannelInboundHandler, AnswerRunner {
    typealias InboundIn = WebSocketFrame

    /// How long a client may take to answer a close frame before the connection is cut.
    private static let closeGrace = TimeAmount.seconds(2)
    /// Requests that may wait for the answer before them.
    private static let maximumWaiting = 16

    let shared: GatewayContext
    /// The frame encoder's context: what is written through it goes past the encoder, so that many frames share one
    /// buffer and one system call.
    private let rawContext: ChannelHandlerContext
    private let queryModel: String?
    private let connection: Int

    private var assembler: MessageAssembler
    var output: WebSocketOutput
    private var waiting = CircularBuffer<ByteBuffer>()
    var timer: NIOScheduledCallback?
    var stream: AnswerStream?
    private var current: ServedRequest?
    private var bridgeTask: Task<Void, Never>?
    private var lateChunk: [UInt8]?
    private var state = State.serving
    var waitsForWritability = false

    private enum State {
        case serving
        /// The fault `silence`: the client is heard but not answered.
        case silent
        /// A close frame was sent.
        case closing
        case closed
    }

    init(context: GatewayContext, rawContext: ChannelHandlerContext, queryModel: String?) {
        let options = context.options
        let connection = context.nextConnection()
        self.shared = context
        self.rawContext = rawContext
        self.queryModel = queryModel
        self.connection = connection
        self.assembler = MessageAssembler(maximumSize: options.maximumRequestSize)
        self.output = WebSocketOutput(
            frames: options.frames, fragments: options.fragmentsMessages,
            seed: options.seed &+ UInt64(truncatingIfNeeded: connection))
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard state != .closed else { return }
        switch assembler.receive(unwrapInboundIn(data)) {
        case .nothing: break
        case .message(let body): received(body)
        case .ping(let payload):
            guard state != .closing else { return }
            output.pong(payload)
            flush()
        case .close(let code): clientCloses(code)
        case .violation(let code, let reason): close(code: code, reason: reason)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        writabilityChanged(context.channel)
        context.fireChannelWritabilityChanged()
    }

    func channelInactive(context: ChannelHandlerContext) {
        endConnection()
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        endConnection()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? NIOWebSocketError, state == .serving else {
            context.close(promise: nil)
            return
        }
        close(code: error == .invalidFrameLength ? 1009 : 1002, reason: "")
    }

    func handleScheduledCallback(eventLoop: some EventLoop) {
        timer = nil
        if state == .closing {
            rawContext.close(promise: nil)
        } else {
            run()
        }
    }

    // MARK: Requests

    private func received(_ body: ByteBuffer) {
        guard state == .serving else { return }
        guard waiting.count < Self.maximumWaiting else {
            close(code: 1008, reason: "too many requests at once")
            return
        }
        waiting.append(body)
        if current == nil { startNext() }
    }

    private func startNext() {
        guard state == .serving, current == nil, let body = waiting.popFirst() else { return }
        let ordinal = shared.nextRequest()
        do throws(ChatRequest.Invalid) {
            let request = try ChatRequest(parsing: body)
            let model = request.model.isEmpty ? queryModel ?? "" : request.model
            let fault = shared.fault(for: request, model: model, ordinal: ordinal)
            start(ServedRequest(request: request, body: body, ordinal: ordinal, fault: fault))
        } catch {
            output.message(
                ErrorBody.nested(type: "invalid_request_error", message: error.message, param: error.param))
            flush()
            startNext()
        }
    }

    private func start(_ current: ServedRequest) {
        self.current = current
        if let bridge = shared.bridge {
            startBridge(bridge, body: current.body)
            return
        }
        let model = current.request.model.isEmpty ? queryModel ?? "simulated" : current.request.model
        let plan = shared.planner.plan(
            current.request, model: model, ordinal: current.ordinal, fault: current.fault, lateChunk: lateChunk,
            created: GatewayContext.now())
        lateChunk = nil
        if current.fault?.isBeforeTheAnswer == true { return stayAway(current.fault, plan) }
        if case .refuse(let status, let retryAfter) = current.fault {
            let isFinal = retryAfter == Fault.neverPasses
            output.message(
                ErrorBody.shaped(
                    .typed, type: ErrorBody.type(forStatus: status),
                    message: isFinal ? Fault.tooLarge : "Simulated refusal", status: status,
                    retryAfter: isFinal ? nil : retryAfter))
            finish(plan, end: .fault("refuse"), tokens: 0, texts: [])
        } else if current.request.streams {
            stream = AnswerStream(plan: plan, startedAt: .now())
            run()
        } else {
            let texts = WholeAnswer.texts(of: plan)
            output.message(WholeAnswer.body(plan: plan, texts: texts))
            shared.countTokens(WholeAnswer.tokens(of: plan))
            finish(plan, end: .complete, tokens: WholeAnswer.tokens(of: plan), texts: texts)
        }
    }

    /// A fault of the upgrade that a rule about the request's content brought: nothing is said, or it drips.
    private func stayAway(_ fault: Fault?, _ plan: AnswerPlan) {
        if case .dripHead(let milliseconds) = fault {
            DripHandler.install(on: rawContext.channel, milliseconds: milliseconds)
            stream = AnswerStream(plan: plan, startedAt: .now())
            return run()
        }
        finish(plan, end: .fault(fault?.kind ?? "hang"), tokens: 0, texts: [], startsNext: false)
        state = .silent
    }

    // MARK: Answers

    var answerChannel: (any Channel)? { state == .serving ? rawContext.channel : nil }

    func answerEnded(_ step: AnswerStream.Step) {
        switch step {
        case .more, .wait, .drip: break
        case .complete:
            endStream(.complete)
        case .failed:
            endStream(.fault(current?.fault?.kind ?? "error"))
        case .close(let code):
            endStream(.fault("close"), startsNext: false)
            close(code: code, reason: "simulated")
        case .cut:
            endStream(.fault("cut"), startsNext: false)
            flushAndClose(resets: false)
        case .reset:
            endStream(.fault("reset"), startsNext: false)
            flushAndClose(resets: true)
        case .silent:
            endStream(.fault("silence"), startsNext: false)
            flush()
            state = .silent
        }
    }

    private func endStream(_ end: SimulatedAnswer.End, startsNext: Bool = true) {
        guard let stream else { return }
        self.stream = nil
        if current?.fault == .late {
            let plan = stream.plan
            let template = ChunkTemplate(
                id: plan.id, model: plan.model, created: plan.created, choiceCount: 1, includesUsage: false)
            lateChunk =
                template.contentHeads[0] + Array("late chunk of another answer ".utf8) + template.contentTail
        }
        let texts = stream.plan.recordsText ? stream.plan.choices.indices.map { stream.text(ofChoice: $0) } : []
        finish(stream.plan, end: end, tokens: stream.tokensSent, texts: texts, startsNext: startsNext)
    }

    /// The answer is recorded before its last bytes leave: whoever has seen its end finds it.
    private func finish(
        _ plan: AnswerPlan, end: SimulatedAnswer.End, tokens: Int, texts: [String], startsNext: Bool = true
    ) {
        record(id: plan.id, model: plan.model, end: end, tokens: tokens, texts: texts)
        guard startsNext else { return }
        flush()
        if shared.options.closesAfterAnswer, end == .complete {
            close(code: 1000, reason: "")
        } else {
            startNext()
        }
    }

    private func record(id: String, model: String, end: SimulatedAnswer.End, tokens: Int, texts: [String]) {
        guard let current else { return }
        self.current = nil
        shared.record(
            current, connection: connection, id: id, model: model, end: end, tokens: tokens, texts: texts)
    }

    // MARK: Bridge

    private func startBridge(_ bridge: UpstreamBridge, body: ByteBuffer) {
        let eventLoop = rawContext.eventLoop
        let bound = NIOLoopBound(self, eventLoop: eventLoop)
        bridge.tally.enter()
        // The task ends with the connection, which cancels it, and before the event loops, which the tally sees to.
        bridgeTask = Task {
            let end = await bridge.answer(body) { messages in
                try await eventLoop.flatSubmit { bound.value.deliver(messages) }.get()
            }
            try? await eventLoop.submit { bound.value.bridgeEnded(end) }.get()
            bridge.tally.leave()
        }
    }

    /// Writes the upstream's messages; the future is done when the socket has taken them.
    private func deliver(_ messages: [[UInt8]]) -> EventLoopFuture<Void> {
        guard state == .serving, current != nil else {
            return rawContext.eventLoop.makeFailedFuture(ChannelError.ioOnClosedChannel)
        }
        for message in messages { output.message(message) }
        shared.countTokens(messages.count)
        let written = rawContext.eventLoop.makePromise(of: Void.self)
        rawContext.writeAndFlush(NIOAny(output.take()), promise: written)
        return written.futureResult
    }

    private func bridgeEnded(_ end: UpstreamBridge.End) {
        bridgeTask = nil
        let isComplete = end.isComplete || (state != .serving && end.isFinished)
        record(
            id: end.id, model: end.model,
            end: isComplete ? .complete : state == .serving ? .fault("upstream") : .abandoned, tokens: end.messages,
            texts: [end.text])
        guard state == .serving else { return }
        if shared.options.closesAfterAnswer, end.isComplete {
            close(code: 1000, reason: "")
        } else {
            startNext()
        }
    }

    // MARK: Connection

    private func clientCloses(_ code: UInt16?) {
        guard state != .closing else {
            rawContext.close(promise: nil)
            return
        }
        output.close(code: code)
        flushAndClose(resets: false)
    }

    private func close(code: UInt16, reason: String) {
        guard state == .serving || state == .silent else { return }
        output.close(code: code, reason: reason)
        flush()
        abandon()
        state = .closing
        schedule(at: .now() + Self.closeGrace, on: rawContext.channel)
    }

    func flush() {
        let bytes = output.take()
        guard bytes.readableBytes > 0, state != .closed else { return }
        rawContext.writeAndFlush(NIOAny(bytes), promise: nil)
    }

    private func flushAndClose(resets: Bool) {
        let context = rawContext
        let written = context.eventLoop.makePromise(of: Void.self)
        context.writeAndFlush(NIOAny(output.take()), promise: written)
        abandon()
        state = .closing
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

    /// Ends the answer under way, if there is one, because nobody will read it.
    private func abandon() {
        timer?.cancel()
        timer = nil
        // Records its own end when it has heard of it.
        bridgeTask?.cancel()
        endStream(.abandoned, startsNext: false)
        waiting.removeAll()
    }

    private func endConnection() {
        guard state != .closed else { return }
        abandon()
        state = .closed
        shared.connectionClosed()
    }
}
