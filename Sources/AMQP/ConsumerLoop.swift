import Glibc
import Logging

/// The life of a consumer connection's thread: connect, declare, consume, deliver, acknowledge; again after a loss.
final class ConsumerLoop {
    /// One for each channel of a connection.
    private struct Assemblers {
        private var jobs: FrameAssembler
        private var streams: FrameAssembler

        init(maximumBodySize: Int) {
            jobs = FrameAssembler(channel: BrokerLink.channel, maximumBodySize: maximumBodySize)
            streams = FrameAssembler(channel: BrokerLink.streamChannel, maximumBodySize: maximumBodySize)
        }

        /// - Parameter room: bytes over which the body of a job or a webhook task is not kept.
        mutating func consume(_ frame: IncomingFrame, room: UInt64) throws(AMQPError) -> BrokerEvent? {
            if frame.channel == BrokerLink.streamChannel { return try streams.consume(frame) }
            jobs.room = room
            return try jobs.consume(frame)
        }
    }

    /// Frames handled before acks are sent and other threads are listened to.
    private static let framesPerTurn = 256

    private let configuration: AMQPConfiguration
    private let topology: Topology
    private let consumptions: [Consumption]
    private let delegate: any ConsumerDelegate
    private let maximumBodySize: Int
    private let mailbox: ConsumerMailbox
    private let lease: DeliveryLease
    private let poller: ConnectionPoller
    private let logger: Logger

    private var generation: UInt64 = 0
    /// Of the present connection.
    private var brokerVersion: BrokerVersion?
    private var batcher = AckBatcher(generation: 0)
    private let maximumHeldBytes: UInt64
    private var held: HeldBodies {
        didSet {
            mailbox.heldBytes.store(held.bytes, ordering: .relaxed)
            mailbox.withoutRoom.store(held.skippedCount, ordering: .relaxed)
        }
    }
    private var streamAcks: StreamAcks
    /// Consumers that live, by tag, and the queue of each.
    private var consumers: [String: String] = [:]
    /// Of each stream, the offset of the next message to read.
    private var offsets: [String: Int64] = [:]
    /// Queues that are there as an earlier version of the worker declared them, as they were told last.
    private var formerQueues: [String] = []
    private var isCancelling = false
    /// When the broker was asked, where its answer has not come.
    private var askedAt: UInt64?
    private var lastBeat: UInt64 = 0
    /// No question of late was answered.
    private var isSilent = false
    private var settlements: [Settlement] = []

    init(
        configuration: AMQPConfiguration, topology: Topology, consumptions: [Consumption],
        delegate: any ConsumerDelegate, maximumBodySize: Int, maximumHeldBytes: UInt64, mailbox: ConsumerMailbox,
        lease: DeliveryLease, logger: Logger
    ) {
        self.lease = lease
        self.configuration = configuration
        self.topology = topology
        self.consumptions = consumptions
        self.delegate = delegate
        self.maximumBodySize = maximumBodySize
        self.maximumHeldBytes = maximumHeldBytes
        held = HeldBodies(limit: maximumHeldBytes)
        self.mailbox = mailbox
        self.logger = logger
        streamAcks = StreamAcks(prefetches: consumptions.filter(\.isStream).map(\.prefetch))
        poller = ConnectionPoller(ownership: mailbox.ownership)
    }

    func run() {
        var backoff = ReconnectBackoff(
            first: configuration.reconnectFirst, most: configuration.reconnectMost,
            addressCount: configuration.addresses.count)
        while !mailbox.mustClose {
            if mailbox.stopping != .no {
                // Nothing to consume any more, and every ack is stale: there is no reason to connect.
                mailbox.stopped()
                poller.wait(limit: .max) { mailbox.mustClose }
                break
            }
            let wait = attempt(&backoff)
            guard let wait, !mailbox.mustClose, mailbox.stopping == .no else { continue }
            poller.wait(limit: wait.clampedNanoseconds) { mailbox.mustClose || mailbox.stopping != .no }
        }
        mailbox.stopped()
    }

    /// One connection from opening to end. Returns how long to wait before the next, `nil` after a close.
    private func attempt(_ backoff: inout ReconnectBackoff) -> Duration? {
        let index = backoff.takeAddress()
        guard configuration.addresses.indices.contains(index) else {
            delegate.consumerFailed(
                error: AMQPError(.configuration, "no broker address is configured"), retryingAfter: .seconds(3600))
            return .seconds(3600)
        }
        let link: BrokerLink
        let asked = Monotonic.now()
        do throws(AMQPError) {
            link = try open(configuration.addresses[index])
        } catch {
            let wait = backoff.wait(random: .random(in: 0..<1))
            logger.warning("amqp connection failed", metadata: metadata(error))
            delegate.consumerFailed(error: error, retryingAfter: wait)
            return wait
        }
        let opened = Monotonic.now()
        logger.info("amqp connected", metadata: ["amqp.role": "consumer", "amqp.address": "\(link.address.text)"])
        brokerVersion = link.brokerVersion
        mailbox.connected(to: brokerVersion)
        lease.begin(generation: generation, heartbeat: link.heartbeat, now: asked)
        delegate.consumerOpened(generation: generation)
        defer {
            mailbox.pulse.rest()
            lease.end()
        }
        do throws(AMQPError) {
            try serve(link)
            link.close()
            return nil
        } catch {
            backoff.closed(after: .nanoseconds(Int64(clamping: Monotonic.now() - opened)))
            if error.code == .channelClosed { link.close() }
            logger.warning("amqp connection lost", metadata: metadata(error))
            if isCancelling { mailbox.stopped() }
            lease.end()
            delegate.consumerLost(generation: generation, error: error)
            return backoff.wait(random: .random(in: 0..<1))
        }
    }

    private func metadata(_ error: AMQPError) -> Logger.Metadata {
        ["amqp.role": "consumer", "error": "\(error)"]
    }

    private func open(_ address: AMQPConfiguration.Address) throws(AMQPError) -> BrokerLink {
        let link = try BrokerLink.open(configuration: configuration, address: address, role: "consumer")
        do throws(AMQPError) {
            try prepare(link)
        } catch {
            link.close()
            throw error
        }
        return link
    }

    private func prepare(_ link: BrokerLink) throws(AMQPError) {
        // A new generation before the first delivery can come, also where preparing fails half way.
        generation += 1
        batcher = AckBatcher(generation: generation)
        held = HeldBodies(limit: maximumHeldBytes)
        streamAcks.restart()
        consumers = [:]
        isCancelling = false
        askedAt = nil
        lastBeat = 0
        isSilent = false
        try link.watched { () throws(AMQPError) in
            let former = try link.declare(topology)
            if former != formerQueues {
                formerQueues = former
                delegate.consumerFound(formerQueues: former, brokerVersion: link.brokerVersion)
            }
            if consumptions.contains(where: \.isStream) { try link.openChannel(BrokerLink.streamChannel) }
            for (index, consumption) in consumptions.enumerated() {
                let tag = "chat-worker-\(index)"
                let channel = consumption.isStream ? BrokerLink.streamChannel : BrokerLink.channel
                consumers[tag] = consumption.queue
                try link.setPrefetch(consumption.prefetch, on: channel)
                try link.consume(consumption.queue, tag: tag, arguments: arguments(of: consumption), on: channel)
            }
        }
    }

    private func arguments(of consumption: Consumption) -> FieldTable {
        guard consumption.isStream else { return [:] }
        let next = offsets[consumption.queue] ?? 0
        offsets[consumption.queue] = next
        guard next == 0 else { return ["x-stream-offset": .int(next)] }
        return ["x-stream-offset": consumption.since.map { .timestamp($0) } ?? .string("first")]
    }

    /// Until somebody asks to close; throws when the connection is lost.
    private func serve(_ link: BrokerLink) throws(AMQPError) {
        var assemblers = Assemblers(maximumBodySize: maximumBodySize)
        while true {
            let now = Monotonic.now()
            mailbox.pulse.beat(now: now)
            link.enter(now: now)
            try beat(link, now: now)
            let isDry = try receive(link, &assemblers)
            if isSilent == lease.isValid(now: now) { turned() }
            try settle(link)
            try stopIfAsked(link)
            if mailbox.takeReread() {
                offsets = [:]
                throw AMQPError(.connectionLost, "a stream did not give back what was written to it; it is read anew")
            }
            // Asked before the last settlements were taken, so that every ack given before `close` is sent.
            let mustClose = mailbox.mustClose
            if mustClose { try settle(link) }
            link.releaseBuffers()
            link.leave()
            if mustClose { return }
            if isDry, !link.hasBufferedInput { poller.sleep(socket: link.fileDescriptor) }
            _ = mailbox.ownership.take()
        }
    }

    /// Speaks to the broker more often than the library would; see `DeliveryLease`.
    private func beat(_ link: BrokerLink, now: UInt64) throws(AMQPError) {
        guard now &- lastBeat >= link.heartbeat / DeliveryLease.questionsPerHeartbeat else { return }
        lastBeat = now
        if let tag = streamAcks.takeAll() { try acknowledgeStreams(tag, link) }
        guard askedAt == nil else { return try link.sendHeartbeat() }
        askedAt = now
        try link.askForFlow()
    }

    /// The lease has run out, or holds again.
    private func turned() {
        isSilent.toggle()
        if isSilent {
            delegate.consumerSilent(generation: generation)
        } else {
            delegate.consumerHeard(generation: generation)
        }
    }

    /// Handles what has come. True where nothing is left for now.
    private func receive(_ link: BrokerLink, _ assemblers: inout Assemblers) throws(AMQPError) -> Bool {
        for _ in 0..<Self.framesPerTurn {
            guard let frame = try link.nextFrame() else { return true }
            let channel = frame.channel
            let event = try assemblers.consume(frame, room: held.room)
            link.releaseBuffers()
            if let event { try handle(event, on: channel, link) }
        }
        return false
    }

    private func handle(_ event: BrokerEvent, on channel: UInt16, _ link: BrokerLink) throws(AMQPError) {
        switch event {
        case .delivered(let consumerTag, let message) where channel == BrokerLink.streamChannel:
            let queue = consumers[consumerTag] ?? ""
            if let offset = message.properties.headers.integer("x-stream-offset") { offsets[queue] = offset &+ 1 }
            delegate.consumerReceived(delivery(message, from: queue, tag: 0))
            if let tag = streamAcks.delivered(message.deliveryTag) { try acknowledgeStreams(tag, link) }
        case .delivered(let consumerTag, let message):
            batcher.delivered(message.deliveryTag)
            guard !message.isSkipped else { return skip(message, from: consumers[consumerTag] ?? "") }
            held.took(message.deliveryTag, size: message.bodySize)
            delegate.consumerReceived(
                delivery(message, from: consumers[consumerTag] ?? "", tag: message.deliveryTag))
        case .cancelled(let consumerTag):
            let queue = consumers.removeValue(forKey: consumerTag) ?? consumerTag
            offsets[queue] = nil
            if isCancelling {
                finishCancelling()
            } else {
                throw AMQPError(
                    .channelClosed,
                    "the broker ended the consumer of queue '\(queue)': the queue was deleted, or lost its leader")
            }
        case .cancelConfirmed(let consumerTag):
            consumers[consumerTag] = nil
            finishCancelling()
        case .channelClosed(let code, let text):
            link.confirmChannelClose(channel)
            throw AMQPError(.channelClosed, text, replyCode: code)
        case .connectionClosed(let code, let text):
            link.confirmConnectionClose()
            throw AMQPError(.connectionClosed, text, replyCode: code)
        case .flowConfirmed:
            if let asked = askedAt { lease.renew(now: asked) }
            askedAt = nil
        case .got, .getEmpty, .returned, .acknowledged, .refused, .blocked, .unblocked:
            break
        }
    }

    /// There is no room for its body: it goes back to its queue when there is.
    private func skip(_ message: IncomingMessage, from queue: String) {
        held.skipped(message.deliveryTag, size: message.bodySize)
        guard held.skippedCount == 1 else { return }
        logger.warning(
            "no room for more bodies: what comes now is given back to its queue when there is",
            metadata: [
                "amqp.role": "consumer", "amqp.queue": "\(queue)", "held.bytes": "\(held.bytes)",
                "held.limit": "\(held.limit)",
            ])
    }

    private func delivery(_ message: IncomingMessage, from queue: String, tag: UInt64) -> Delivery {
        Delivery(
            tag: DeliveryTag(generation: generation, value: tag), queue: queue, redelivered: message.redelivered,
            exchange: message.exchange, routingKey: message.routingKey, properties: message.properties,
            body: message.body, bodySize: message.bodySize, isOversize: message.isOversize,
            bodyHash: message.bodyHash, broker: brokerVersion)
    }

    private func acknowledgeStreams(_ tag: UInt64, _ link: BrokerLink) throws(AMQPError) {
        try link.acknowledge(tag, multiple: true, on: BrokerLink.streamChannel)
    }

    private func settle(_ link: BrokerLink) throws(AMQPError) {
        mailbox.takeSettlements(into: &settlements)
        for settlement in settlements where settlement.tag.generation == generation {
            held.settled(settlement.tag.value)
        }
        for tag in held.takeReturnable() {
            settlements.append(Settlement(tag: DeliveryTag(generation: generation, value: tag), verdict: .requeue))
        }
        guard !settlements.isEmpty else { return }
        for settlement in settlements { batcher.settle(settlement) }
        for command in batcher.flush() {
            switch command {
            case .acknowledge(let tag, let multiple): try link.acknowledge(tag, multiple: multiple)
            case .reject(let tag, let requeue): try link.reject(tag, requeue: requeue)
            }
        }
    }

    private func stopIfAsked(_ link: BrokerLink) throws(AMQPError) {
        guard !isCancelling, mailbox.stopping == .requested else { return }
        isCancelling = true
        for (tag, queue) in consumers.sorted(by: { $0.key < $1.key }) where offsets[queue] == nil {
            try link.sendCancel(tag: tag)
        }
        finishCancelling()
    }

    private func finishCancelling() {
        // Streams are read to the end: they bring news, not work.
        if isCancelling, consumers.values.allSatisfy({ offsets[$0] != nil }) { mailbox.stopped() }
    }
}
