import ChatModel
import NIOCore

/// What comes from the gateway after the upgrade, frame by frame.
extension WebSocketConnection {
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        switch phase {
        case .open, .closing(isReading: true): break
        case .settingUp:
            pending.append(&bytes)
            return
        case .closing, .closed: return
        }
        guard !isConsuming, pending.isEmpty else {
            pending.append(&bytes)
            if !isConsuming { consumePending() }
            return
        }
        consume(&bytes)
        keep(bytes)
        if isInputClosed { inputEnded() }
    }

    /// Goes on with what was kept.
    func consumePending() {
        guard !isConsuming else { return }
        if !pending.isEmpty {
            var bytes = pending.take()
            consume(&bytes)
            if isReadable, pending.isEmpty { pending.putBack(bytes) } else { keep(bytes) }
        }
        if isInputClosed { inputEnded() }
    }

    /// Frames are still looked at.
    private var isReadable: Bool { phase == .open || phase == .closing(isReading: true) }

    private func keep(_ bytes: ByteBuffer) {
        if isReadable { pending.keep(bytes) } else { pending.discard() }
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
            if stream == nil, bareUser == nil { unexpectedData() }
        case .ping(let range): pong(UnsafeRawBufferPointer(rebasing: input[range]))
        case .pong: if stream == nil { owner.ponged(self) }
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
        if let bareUser { return bareUser.received(message, isBinary: assembler.isBinary, on: self) }
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
    func pong(_ payload: UnsafeRawBufferPointer) {
        guard let context else { return }
        guard context.channel.isWritable else {
            heldPing = Array(payload)
            return
        }
        let frame = WebSocketOutput.frame(.pong, payload: payload, allocator: context.channel.allocator)
        context.writeAndFlush(wrapOutboundOut(frame), promise: nil)
    }

    /// End of file. What came before it and is held back is handed out first, once the stream reads again.
    func inputEnded() {
        guard phase != .settingUp else { return }
        if let stream {
            guard !(stream.isPaused && !pending.isEmpty), !isConsuming else { return }
            stream.connectionLost()
        } else {
            owner.dropIdle(self)
        }
    }
}
