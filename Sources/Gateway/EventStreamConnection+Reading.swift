import ChatModel
import NIOCore
import NIOHTTP1

/// What comes from the gateway, answer by answer.
extension EventStreamConnection {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): began(head)
        case .body(let bytes): read(bytes)
        case .end:
            isBodyEnded = true
            bodyEnded()
        }
    }

    private func began(_ head: HTTPResponseHead) {
        if case .closed = phase { return }
        guard case .requested = phase, let stream else { return unexpectedData() }
        // "Continue" and "early hints" come before the answer.
        if (102..<200).contains(head.status.code) || head.status == .continue { return }
        guard head.hasStatus else {
            return stream.answerRefused(.protocolError(.request, HTTPResponseHead.noStatus), isWhole: false)
        }
        // After a 101 nobody speaks HTTP any more.
        keepsAlive = (session != nil || head.isKeepAlive) && head.status != .switchingProtocols
        stream.answerBegan()
        switch EventStreamRequest.promise(of: head) {
        case .eventStream: phase = .answering
        case .unclear: phase = .beginning(AnswerBeginning(), head)
        case .refusal:
            phase = .refused(GatewayRefusal(head: head))
            startTimer()
        }
    }

    static func refusal(_ head: HTTPResponseHead, _ beginning: AnswerBeginning) -> GatewayRefusal {
        var refusal = GatewayRefusal(head: head)
        refusal.append(beginning.bytes)
        return refusal
    }

    /// More of an answer came that may turn out to be a stream.
    private func read(_ bytes: ByteBuffer, of beginning: AnswerBeginning, _ head: HTTPResponseHead) {
        var beginning = beginning
        switch beginning.append(bytes) {
        case .unclear: phase = .beginning(beginning, head)
        case .document:
            guard beginning.bytes.readableBytes <= owner.configuration.maximumMessageSize else {
                stream?.connectionFaulted(EventStreamFault.eventTooLarge)
                return
            }
            phase = .beginning(beginning, head)
        case .stream:
            phase = .answering
            read(beginning.bytes)
        case .other:
            let refusal = Self.refusal(head, beginning)
            phase = .refused(refusal)
            if refusal.isFull { refuse(isWhole: false) } else { startTimer() }
        }
    }

    /// A document is whole: the answer in one piece, or what is told instead of one.
    private func documentEnded(_ beginning: AnswerBeginning, _ head: HTTPResponseHead) {
        let isAnswer = beginning.bytes.withUnsafeReadableBytes { bytes in
            var utf8 = UTF8Validator()
            guard utf8.consume(bytes), utf8.isAtBoundary else { return false }
            guard case .chunk(let chunk) = FrameScanner.scan(bytes) else { return false }
            return chunk.hasChoices
        }
        guard isAnswer, let stream else {
            phase = .refused(Self.refusal(head, beginning))
            return refuse(isWhole: true)
        }
        phase = .answering
        beginning.bytes.withUnsafeReadableBytes { stream.received($0, on: self) }
        inputEnded()
    }

    private func read(_ bytes: ByteBuffer) {
        var bytes = bytes
        switch phase {
        case .answering:
            guard !isConsuming, pending.isEmpty else {
                pending.append(&bytes)
                if !isConsuming { consumePending() }
                return
            }
            consume(&bytes)
            keep(bytes)
        case .refused(var refusal):
            refusal.append(bytes)
            phase = .refused(refusal)
            if refusal.isFull { refuse(isWhole: false) }
        case .beginning(let beginning, let head): read(bytes, of: beginning, head)
        case .draining(let sofar):
            let total = sofar + bytes.readableBytes
            phase = .draining(bytes: total)
            if total > Self.longestRest { abort() }
        case .settingUp, .idle, .requested: unexpectedData()
        case .closed: break
        }
    }

    private func bodyEnded() {
        switch phase {
        case .answering:
            endEvents()
            inputEnded()
        case .beginning(let beginning, let head): documentEnded(beginning, head)
        case .refused: refuse(isWhole: true)
        case .draining: becomeIdle()
        case .settingUp, .idle, .requested, .closed: break
        }
    }

    /// Goes on with what was kept.
    func consumePending() {
        guard !isConsuming else { return }
        if !pending.isEmpty {
            var bytes = pending.take()
            consume(&bytes)
            if case .answering = phase, pending.isEmpty { pending.putBack(bytes) } else { keep(bytes) }
        }
        // The end of a body is the end of its answer: a connection that was given back on the way is idle, and well.
        if case .answering = phase, isBodyEnded {
            endEvents()
            return inputEnded()
        }
        if isInputClosed { inputEnded() }
    }

    private func keep(_ bytes: ByteBuffer) {
        if case .answering = phase { pending.keep(bytes) } else { pending.discard() }
    }

    /// Takes events off the front of `bytes` until one is incomplete, reading is paused, or the stream is over.
    private func consume(_ bytes: inout ByteBuffer) {
        isConsuming = true
        defer { isConsuming = false }
        while bytes.readableBytes > 0 {
            guard case .answering = phase, let stream, !stream.isPaused else { return }
            let (used, goesOn) = bytes.withUnsafeReadableBytes { input in
                switch parser.next(input) {
                case .needsMore(let used): return (used, false)
                case .event(let used, let event):
                    handle(event, in: input, for: stream)
                    return (used, true)
                }
            }
            bytes.moveReaderIndex(forwardBy: used)
            guard goesOn else { return }
        }
    }

    /// The body is at its end: an event that only lacks its blank line is one.
    private func endEvents() {
        guard let stream, !stream.isPaused, !isConsuming else { return }
        let rest = pending.take()
        isConsuming = true
        defer { isConsuming = false }
        rest.withUnsafeReadableBytes { input in
            if let event = parser.end(input) { handle(event, in: input, for: stream) }
        }
    }

    /// An event without data is a sign of life, and nothing else.
    private func handle(_ event: EventStreamParser.Event, in input: UnsafeRawBufferPointer, for stream: GatewayStream) {
        let isError = parser.isError
        func received(_ message: UnsafeRawBufferPointer) {
            if isError { stream.receivedError(message) } else { stream.received(message, on: self) }
        }
        switch event {
        case .message(let range):
            if !range.isEmpty { received(UnsafeRawBufferPointer(rebasing: input[range])) }
        case .assembledMessage:
            // The local copy of the handle keeps the bytes while the handler looks at them.
            let message = parser.assembled
            parser.discardAssembled()
            message.withUnsafeReadableBytes { received($0) }
        case .fault(let fault): stream.connectionFaulted(fault)
        }
    }

    /// End of the answer, or of the connection. What came before it and is held back is handed out first, once the stream
    /// reads again.
    func inputEnded() {
        switch phase {
        case .answering, .requested:
            // A session that lets go of a request without a word is not trusted with another.
            if case .requested = phase { session?.retire() }
            guard let stream, !(stream.isPaused && !pending.isEmpty), !isConsuming else { return }
            isBodyEnded ? stream.answerEnded() : stream.connectionLost()
        case .beginning(let beginning, let head):
            phase = .refused(Self.refusal(head, beginning))
            refuse(isWhole: false)
        case .refused: refuse(isWhole: false)
        case .idle, .draining: owner.dropIdle(self)
        case .settingUp, .closed: break
        }
    }

    /// What was read of a refusal is all that will be.
    func refuse(isWhole: Bool) {
        guard case .refused(let refusal) = phase else { return }
        stream?.answerRefused(failure(of: refusal), isWhole: isWhole)
    }

    func failure(of refusal: GatewayRefusal) -> GatewayFailure {
        let status = Int(refusal.head.status.code)
        let details = refusal.details(hiding: owner.keys[key].secret)
        guard (100..<300).contains(status) else { return .refused(.request, status: status, details) }
        // Some gateways answer 200 and say what went wrong in the body.
        if details.saysError { return .refused(.request, status: details.status, details) }
        return .notStreaming(
            .request, status: status, kind: EventStreamRequest.kind(of: refusal.head))
    }

    /// Nothing was asked for: whoever speaks now cannot be understood.
    private func unexpectedData() {
        owner.countUnexpectedData()
        owner.dropIdle(self)
        if let stream { stream.connectionLost() } else { abort() }
    }
}
