internal import AMQP
internal import Logging
internal import Synchronization

/// What a shard's connection publishes next. The inbox is shared and locked; all else belongs to who publishes.
///
/// Unchecked: `sending` is touched in the driver's calls only, which come one at a time.
final class ShardFeed: PublisherDriver, @unchecked Sendable {
    /// Handed in by any thread.
    private struct Inbox {
        var ready: [AnswerStream] = []
        var messages: [DurableMessage] = []
    }

    /// Who publishes has it alone.
    private struct Sending {
        /// Streams whose turn comes.
        var ready = FIFO<AnswerStream>()
        /// Ended streams, until their chunks are confirmed.
        var ending: [(stream: AnswerStream, after: UInt64)] = []
        /// Messages whose turn comes.
        var messages = FIFO<DurableMessage>()
        /// With the time of their sending, in nanoseconds of the monotonic clock.
        var unconfirmed: [UInt64: (message: DurableMessage, sentAt: UInt64)] = [:]
        var published = 0
        var unroutable: Set<UInt64> = []
        var nextToken: UInt64 = ShardFeed.messageBit
        /// The body of the message at hand; keeps its capacity.
        var scratch: [UInt8] = []
        /// Not before this time are refused messages sent again.
        var retryRefusedAt: ContinuousClock.Instant?
        var refused: [DurableMessage] = []
        /// Ends of which nothing is confirmed yet, by their messages.
        var ends: [ObjectIdentifier: SentEnd] = [:]
        /// Moves and ends of jobs whose delivery is in doubt.
        var doubtful: [DurableMessage] = []
        /// Streams with a refused chunk, by their tokens.
        var refusedStreams: Set<UInt64> = []
        /// Who may have made the broker close the connection; while there are any, one of them publishes and nobody else.
        var suspects = PublishSuspects<Suspect>()
        /// Those of them that are no streams.
        var suspectMessages: [ObjectIdentifier: DurableMessage] = [:]
        /// Where no reply is to be published for a while.
        var deadRoutes = DeadRoutes()
    }

    private enum Suspect: Hashable {
        case stream(UInt64)
        case message(ObjectIdentifier)
    }

    /// Tokens with this bit are durable messages', others are streams' identifiers.
    static let messageBit: UInt64 = 1 << 63
    /// A scratch buffer that grew over this for one long reset is given back.
    private static let scratchKept = 256 << 10
    private static let refusedPause = Duration.seconds(1)

    let streams = Mutex<[UInt64: AnswerStream]>([:])
    private let inbox = Mutex(Inbox())
    private var sending = Sending()
    private let observer: any ShardObserver
    private let lease: DeliveryLease
    private let bury: Burial
    private let logger: Logger

    /// Makes the dead letter of a message that the broker takes on no other queue; `nil` where there can be none.
    typealias Burial = @Sendable (DurableMessage, Undeliverable) -> DurableMessage?

    /// As of the last turn, for metrics. Any thread may read.
    let state = State()
    private let metrics: JobMetrics

    final class State: Sendable {
        let published = Atomic<Int>(0)
        let capacity = Atomic<Int>(0)
        let ready = Atomic<Int>(0)
    }

    init(
        observer: any ShardObserver, lease: DeliveryLease, metrics: JobMetrics, bury: @escaping Burial, logger: Logger
    ) {
        self.observer = observer
        self.bury = bury
        self.logger = logger
        self.metrics = metrics
        self.lease = lease
    }

    /// `true` where somebody must see to it that it is published; what is added after that goes with it.
    func add(_ stream: AnswerStream) -> Bool {
        inbox.withLock { inbox in
            inbox.ready.append(stream)
            return inbox.ready.count == 1 && inbox.messages.isEmpty
        }
    }

    func add(_ messages: [DurableMessage]) -> Bool {
        return inbox.withLock { inbox in
            let wasEmpty = inbox.ready.isEmpty && inbox.messages.isEmpty
            inbox.messages.append(contentsOf: messages)
            return wasEmpty
        }
    }

    // MARK: PublisherDriver

    func publisherOpened(generation: UInt64) { observer.shardOpened() }

    func publisherReady(_ channel: borrowing PublishChannel) {
        repeat {
            collect()
            if !sending.suspects.isEmpty {
                trySuspects(channel)
                guard sending.suspects.isEmpty else { break }
            }
            sendMessages(channel)
            sendEnded(channel)
            sendChunks(channel)
        } while channel.capacity > 0 && hasMore
        state.published.store(sending.published, ordering: .relaxed)
        state.capacity.store(channel.capacity, ordering: .relaxed)
        state.ready.store(sending.ready.count, ordering: .relaxed)
        if sending.scratch.capacity > Self.scratchKept { sending.scratch = [] }
    }

    /// An end waits for its chunks, or for its own confirm.
    var awaitsConfirms: Bool {
        !sending.unconfirmed.isEmpty || !sending.ending.isEmpty || !sending.suspects.isEmpty
    }

    func publisherConfirmed(_ token: UInt64) {
        guard let (message, sentAt) = sending.unconfirmed.removeValue(forKey: token) else {
            // Of chunks only those are told of that were published alone.
            return sending.suspects.answered(.stream(token))
        }
        sending.suspects.answered(.message(ObjectIdentifier(message)))
        metrics.confirm.record(nanoseconds: JobTimings.now() &- sentAt)
        sending.ends.removeValue(forKey: ObjectIdentifier(message))?.isKept = true
        let isUnroutable = sending.unroutable.remove(token) != nil
        if isUnroutable, message.routing == .required { return sendLater(message) }
        settle(message, isUnroutable ? .unroutable : .confirmed)
    }

    func publisherRejected(_ token: UInt64) {
        if token & Self.messageBit == 0 {
            sending.suspects.answered(.stream(token))
            // Its answer is said again, but not at once: a queue that is full refuses what comes next as well.
            sending.refusedStreams.insert(token)
            planRetry()
        } else if let message = sending.unconfirmed.removeValue(forKey: token)?.message {
            sending.suspects.answered(.message(ObjectIdentifier(message)))
            sending.unroutable.remove(token)
            if let end = sending.ends[ObjectIdentifier(message)] { end.inFlight -= 1 }
            let refusals = message.refusals.wrappingAdd(1, ordering: .relaxed).newValue
            if message.isReply, refusals > DurableMessage.mostRefusals { return settle(message, .refused) }
            sendLater(message)
        }
    }

    private func settle(_ message: DurableMessage, _ settlement: DurableMessage.Settlement) {
        sending.ends[ObjectIdentifier(message)] = nil
        message.settled(settlement)
    }

    /// An end of which nothing has arrived goes on only while its delivery is surely this worker's: the job may be told by
    /// somebody else by now.
    private func mayGo(_ message: DurableMessage) -> Bool {
        guard let end = sending.ends[ObjectIdentifier(message)], !end.isKept else { return true }
        if end.isVoid || end.inFlight == 0 && lease.isOver(for: end.generation) {
            sending.ends[ObjectIdentifier(message)] = nil
            end.takeBack()
            return false
        }
        if end.inFlight == 0, !lease.isValid(for: end.generation) {
            sending.doubtful.append(message)
            return false
        }
        end.inFlight += 1
        return true
    }

    private func sendLater(_ message: DurableMessage) {
        sending.refused.append(message)
        planRetry()
    }

    private func planRetry() { sending.retryRefusedAt = sending.retryRefusedAt ?? .now + Self.refusedPause }

    func publisherReturned(_ token: UInt64, replyCode: Int, replyText: String) {
        if sending.unconfirmed[token] != nil { sending.unroutable.insert(token) }
    }

    func publisherBlocked(_ isBlocked: Bool, reason: String) { observer.shardBlocked(isBlocked, reason: reason) }

    func publisherClosed(error: AMQPError, inFlight: [UInt64]) {
        guard let fault = Undeliverable(error) else { return }
        let suspects = inFlight.compactMap { token -> Suspect? in
            guard token & Self.messageBit != 0 else { return .stream(token) }
            return sending.unconfirmed[token].map { .message(ObjectIdentifier($0.message)) }
        }
        if let blamed = sending.suspects.closed(inFlight: suspects) { giveUp(blamed, fault) }
    }

    func publisherLost(error: AMQPError, unconfirmed: [UInt64]) {
        sending.suspects.lost()
        var again = unconfirmed.compactMap { sending.unconfirmed[$0]?.message }
        for end in sending.ends.values { end.inFlight = 0 }
        for message in again where sending.suspects.contains(.message(ObjectIdentifier(message))) {
            sending.suspectMessages[ObjectIdentifier(message)] = message
        }
        again.removeAll { sending.suspectMessages[ObjectIdentifier($0)] != nil }
        sending.messages.prepend(contentsOf: again)
        sending.unconfirmed = [:]
        sending.unroutable = []
        sending.ending = []
        sending.refusedStreams = []
        for stream in streams.withLock({ Array($0.values) }) { rewind(stream) }
        observer.shardLost(error)
    }

    /// The connection logs it, and was not open.
    func publisherFailed(error: AMQPError, retryingAfter delay: Duration) { observer.shardFailed(error) }

    // MARK: Publishing

    private func collect() {
        inbox.withLock { inbox in
            sending.ready.append(contentsOf: inbox.ready)
            inbox.ready.removeAll(keepingCapacity: true)
            sending.messages.append(contentsOf: inbox.messages)
            inbox.messages.removeAll(keepingCapacity: true)
        }
        if !sending.deadRoutes.isEmpty { sending.deadRoutes.forget(now: JobTimings.now()) }
        if !sending.doubtful.isEmpty {
            sending.messages.prepend(contentsOf: sending.doubtful)
            sending.doubtful = []
        }
        if let time = sending.retryRefusedAt, time <= .now {
            sending.retryRefusedAt = nil
            sending.messages.append(contentsOf: sending.refused)
            sending.refused = []
            let refused = sending.refusedStreams
            sending.refusedStreams = []
            for stream in streams.withLock({ streams in refused.compactMap { streams[$0] } }) {
                rewind(stream, because: .refused)
            }
        }
    }

    private func rewind(_ stream: AnswerStream, because loss: AnswerStream.Loss = .connection) {
        // An end that waited for the lost chunk's confirm is void.
        sending.ending.removeAll { $0.stream === stream }
        // One under suspicion has its turn alone.
        if stream.rewind(because: loss), !sending.suspects.contains(.stream(stream.identifier)) {
            sending.ready.append(stream)
        }
    }

    private var hasMore: Bool {
        !sending.ready.isEmpty || !sending.messages.isEmpty
            || inbox.withLock { !$0.ready.isEmpty || !$0.messages.isEmpty }
    }

    /// An end goes when its chunks are confirmed, as long as its delivery is surely this worker's. Not before there is
    /// room for it, so that it can be taken back as long as possible.
    private func sendEnded(_ channel: borrowing PublishChannel) {
        guard !sending.ending.isEmpty else { return }
        let confirmed = channel.confirmedThrough
        var later: [(stream: AnswerStream, after: UInt64)] = []
        for entry in sending.ending {
            // A refused chunk counts as settled, but its answer must be said again before its end may go.
            guard entry.after <= confirmed, channel.capacity > 0,
                !sending.refusedStreams.contains(entry.stream.identifier)
            else {
                later.append(entry)
                continue
            }
            switch entry.stream.close(while: lease) {
            case .now(let messages, let generation):
                let end = SentEnd(stream: entry.stream, generation: generation)
                for message in messages { sending.ends[ObjectIdentifier(message)] = end }
                sending.messages.append(contentsOf: messages)
                sendMessages(channel)
            case .later: later.append(entry)
            case .never: break
            }
        }
        sending.ending = later
    }

    private func sendMessages(_ channel: borrowing PublishChannel) {
        while channel.capacity > 0, let message = sending.messages.popFirst() { send(message, channel) }
    }

    /// False where it does not go now, or never.
    @discardableResult
    private func send(_ message: DurableMessage, _ channel: borrowing PublishChannel) -> Bool {
        if let generation = message.generation, !lease.isValid(for: generation) {
            if lease.isOver(for: generation) { settle(message, .void) } else { sending.doubtful.append(message) }
            return false
        }
        guard mayGo(message) else { return false }
        if message.isReply, !sending.deadRoutes.isEmpty, let fault = route(of: message).flatMap(knownFault(of:)) {
            sending.ends[ObjectIdentifier(message)]?.inFlight -= 1
            settle(message, .undeliverable(fault))
            return false
        }
        let token = sending.nextToken
        sending.nextToken = token &+ 1 | Self.messageBit
        sending.unconfirmed[token] = (message, JobTimings.now())
        sending.published += 1
        _ = message.body.withUnsafeBytes { body in
            channel.publish(
                message.template, body: body, token: token, notify: true, mandatory: message.routing != .ignored)
        }
        return true
    }

    private func sendChunks(_ channel: borrowing PublishChannel) {
        while channel.capacity > 0, let stream = sending.ready.popFirst() { send(stream, channel) }
    }

    /// One turn of a stream: one message (with the reset before it, where one is owed).
    private func send(_ stream: AnswerStream, _ channel: borrowing PublishChannel) {
        if !sending.deadRoutes.isEmpty { heedDeadRoute(stream) }
        sending.scratch.removeAll(keepingCapacity: true)
        switch stream.take(into: &sending.scratch) {
        case .chunk(let template, let more):
            stream.published(publish(template, stream, channel))
            if more { sending.ready.append(stream) }
        case .reset(let template):
            stream.published(publish(template, stream, channel))
            sending.ready.append(stream)
        case .ended(let sequence):
            sending.ending.append((stream, sequence))
            sendEnded(channel)
        case .nothing: break
        }
    }

    private func publish(
        _ template: PublishTemplate, _ stream: AnswerStream, _ channel: borrowing PublishChannel, notify: Bool = false
    ) -> UInt64 {
        sending.published += 1
        return sending.scratch.withUnsafeBytes { body in
            channel.publish(template, body: body, token: stream.identifier, notify: notify)
        }
    }

    // MARK: What the broker takes from nobody

    /// Publishes the messages of suspects, one at a time and nothing beside.
    private func trySuspects(_ channel: borrowing PublishChannel) {
        sending.suspects.look(now: JobTimings.now())
        while channel.capacity > 0, let suspect = sending.suspects.next() {
            switch suspect {
            case .message(let id):
                guard let message = sending.suspectMessages.removeValue(forKey: id), send(message, channel) else {
                    sending.suspects.cleared(suspect)
                    continue
                }
                sending.suspects.sent(isLast: true, now: JobTimings.now())
            case .stream(let token):
                guard let stream = streams.withLock({ $0[token] }) else {
                    sending.suspects.cleared(suspect)
                    continue
                }
                trySuspect(stream, suspect, channel)
            }
        }
    }

    /// A reset says nothing of the chunk that follows it: a stream is cleared with its chunk.
    private func trySuspect(_ stream: AnswerStream, _ suspect: Suspect, _ channel: borrowing PublishChannel) {
        sending.scratch.removeAll(keepingCapacity: true)
        switch stream.take(into: &sending.scratch) {
        case .chunk(let template, let more):
            stream.published(publish(template, stream, channel, notify: true))
            if more { sending.ready.append(stream) }
            sending.suspects.sent(isLast: true, now: JobTimings.now())
        case .reset(let template):
            stream.published(publish(template, stream, channel, notify: true))
            sending.suspects.sent(isLast: false, now: JobTimings.now())
        case .ended(let sequence):
            sending.ending.append((stream, sequence))
            sending.suspects.cleared(suspect)
        case .nothing: sending.suspects.cleared(suspect)
        }
    }

    /// It was alone when the broker closed the connection.
    private func giveUp(_ suspect: Suspect, _ fault: Undeliverable) {
        switch suspect {
        case .stream(let token):
            guard let stream = streams.withLock({ $0[token] }) else { return }
            if fault.isTooLarge { return stream.mute() }
            if let address = stream.address { remember(.init(address), fault) }
            tellGivenUp("replies of a job are given up", fault, job: stream.address?.job, stream.address?.routingKey)
            stream.giveUpReplies(fault)
        case .message(let id):
            guard let entry = sending.unconfirmed.first(where: { ObjectIdentifier($0.value.message) == id }) else {
                return
            }
            sending.unconfirmed[entry.key] = nil
            sending.unroutable.remove(entry.key)
            giveUp(entry.value.message, fault)
        }
    }

    private func giveUp(_ message: DurableMessage, _ fault: Undeliverable) {
        let content = message.template.content
        let what: Logger.Message
        if message.isReply || message.mayBeTooLarge && fault.isTooLarge {
            what = message.isReply ? "a reply is given up" : "a message is too large for the broker"
            if message.isReply, !fault.isTooLarge, let route = route(of: message) { remember(route, fault) }
            settle(message, .undeliverable(fault))
        } else if let dead = bury(message, fault) {
            what = "a message that the broker does not take is dead-lettered"
            // What is left of an end goes on without asking who has its job: something of it is told already.
            sending.ends.removeValue(forKey: ObjectIdentifier(message))?.isKept = true
            sending.messages.append(dead)
        } else {
            // Not finished, so its delivery is not acked.
            what = "a message that the broker does not take cannot be dead-lettered either"
            settle(message, .void)
        }
        tellGivenUp(what, fault, job: content?.properties.messageID, content?.routingKey)
    }

    private func tellGivenUp(_ what: Logger.Message, _ fault: Undeliverable, job: String?, _ queue: String?) {
        metrics.undeliverable.add(1)
        logger.error(
            what,
            metadata: [LogKey.job: "\(job ?? "")", LogKey.queue: "\(queue ?? "")", LogKey.error: "\(fault)"])
    }

    private func route(of message: DurableMessage) -> DeadRoutes.Route? {
        message.template.content.map { .init(exchange: $0.exchange, routingKey: $0.routingKey) }
    }

    private func remember(_ route: DeadRoutes.Route, _ fault: Undeliverable) {
        sending.deadRoutes.insert(route, fault, now: JobTimings.now())
    }

    private func knownFault(of route: DeadRoutes.Route) -> Undeliverable? {
        sending.deadRoutes.fault(of: route, now: JobTimings.now())
    }

    private func heedDeadRoute(_ stream: AnswerStream) {
        guard let address = stream.address, !stream.isUnreachable, let fault = knownFault(of: .init(address)) else {
            return
        }
        metrics.undeliverable.add(1)
        stream.giveUpReplies(fault)
    }
}

extension DeadRoutes.Route {
    fileprivate init(_ address: ReplyAddress) {
        self.init(exchange: address.exchange, routingKey: address.routingKey)
    }
}
