extension AMQPSession {
    /// Runs a call; after a channel error the session gets a new channel before the error goes on to the caller.
    func recovering<Result>(_ body: () throws(AMQPError) -> Result) throws(AMQPError) -> Result {
        do throws(AMQPError) {
            return try link.watched(body)
        } catch  where error.code == .channelClosed {
            channelChanged()
            do throws(AMQPError) {
                try link.openChannel()
            } catch {
                link.markBroken()
            }
            throw error
        }
    }

    /// Nothing of the old channel means anything on the new one.
    func channelChanged() {
        assembler = FrameAssembler(channel: BrokerLink.channel, maximumBodySize: assembler.maximumBodySize)
        consumers = [:]
        confirmMode = false
        generation += 1
    }

    /// The next event, or `nil` at the deadline (monotonic nanoseconds).
    func nextEvent(before deadline: UInt64) throws(AMQPError) -> BrokerEvent? {
        let poller = ConnectionPoller(ownership: ownership)
        while true {
            link.enter()
            while let frame = try link.nextFrame() {
                let event = try assembler.consume(frame)
                link.releaseBuffers()
                if let event { return event }
            }
            link.leave()
            let now = Monotonic.now()
            guard now < deadline else { return nil }
            poller.sleep(socket: link.fileDescriptor, limit: min(deadline - now, ConnectionPoller.tick))
            _ = ownership.take()
        }
    }

    /// What every call does with events that it does not wait for itself.
    func handle(_ event: BrokerEvent) throws(AMQPError) {
        switch event {
        case .delivered(let consumerTag, let message):
            inbox.append(delivery(message, queue: consumers[consumerTag] ?? ""))
        case .cancelled(let consumerTag):
            let queue = consumers.removeValue(forKey: consumerTag) ?? consumerTag
            throw AMQPError(.connectionLost, "the broker ended the consumer of '\(queue)': the queue was deleted")
        case .channelClosed(let code, let text):
            link.confirmChannelClose()
            throw AMQPError(.channelClosed, text, replyCode: code)
        case .connectionClosed(let code, let text):
            link.confirmConnectionClose()
            throw AMQPError(.connectionClosed, text, replyCode: code)
        case .got, .getEmpty, .returned, .acknowledged, .refused, .cancelConfirmed, .flowConfirmed, .blocked,
            .unblocked:
            break
        }
    }

    /// Waits for the confirm of the message with this sequence number.
    func awaitOutcome(of sequence: UInt64) throws(AMQPError) -> PublishOutcome {
        let deadline = Monotonic.now() &+ timeout.clampedNanoseconds
        var outcome = PublishOutcome.confirmed
        while let event = try nextEvent(before: deadline) {
            switch event {
            case .returned(let message):
                outcome = .returned(replyCode: message.replyCode, replyText: message.replyText)
            case .acknowledged(let tag, let multiple) where tag == sequence || (multiple && tag > sequence):
                return outcome
            case .refused(let tag, let multiple) where tag == sequence || (multiple && tag > sequence):
                return .rejected
            default: try handle(event)
            }
        }
        throw AMQPError(.timeout, "the broker did not confirm a message within \(timeout)")
    }

    func delivery(_ message: IncomingMessage, queue: String) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: generation, value: message.deliveryTag), queue: queue,
            redelivered: message.redelivered, exchange: message.exchange, routingKey: message.routingKey,
            properties: message.properties, body: message.body, bodySize: message.bodySize,
            isOversize: message.isOversize, broker: brokerVersion)
    }
}

extension [UInt8] {
    /// `withUnsafeBytes` for a body with typed throws.
    func withUnsafeBytesTyped<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try span.bytes.withUnsafeBytes(body)
    }
}
