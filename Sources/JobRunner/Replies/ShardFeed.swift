internal import AMQP
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
    }

    /// Tokens with this bit are durable messages', others are streams' identifiers.
    static let messageBit: UInt64 = 1 << 63
    /// A scratch buffer that grew over this for one long reset is given back.
    private static let scratchKept = 256 << 10
    private static let refusedPause = Duration.seconds(1)
    /// After so many refusals a reply is given up; the job's webhook tells its end.
    private static let mostRefusals = 5

    let streams = Mutex<[UInt64: AnswerStream]>([:])
    private let inbox = Mutex(Inbox())
    private var sending = Sending()
    private let observer: any ShardObserver
    private let lease: DeliveryLease

    /// As of the last turn, for metrics. Any thread may read.
    let state = State()
    private let metrics: JobMetrics

    final class State: Sendable {
        let published = Atomic<Int>(0)
        let capacity = Atomic<Int>(0)
        let ready = Atomic<Int>(0)
    }

    init(observer: any ShardObserver, lease: DeliveryLease, metrics: JobMetrics) {
        self.observer = observer
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
    var awaitsConfirms: Bool { !sending.unconfirmed.isEmpty || !sending.ending.isEmpty }

    func publisherConfirmed(_ token: UInt64) {
        guard let (message, sentAt) = sending.unconfirmed.removeValue(forKey: token) else { return }
        metrics.confirm.record(nanoseconds: JobTimings.now() &- sentAt)
        sending.ends.removeValue(forKey: ObjectIdentifier(message))?.isKept = true
        let isUnroutable = sending.unroutable.remove(token) != nil
        if isUnroutable, message.routing == .required { return sendLater(message) }
        settle(message, isUnroutable ? .unroutable : .confirmed)
    }

    func publisherRejected(_ token: UInt64) {
        if token & Self.messageBit == 0 {
            // Its answer is said again, but not at once: a queue that is full refuses what comes next as well.
            sending.refusedStreams.insert(token)
            planRetry()
        } else if let message = sending.unconfirmed.removeValue(forKey: token)?.message {
            sending.unroutable.remove(token)
            if let end = sending.ends[ObjectIdentifier(message)] { end.inFlight -= 1 }
            let refusals = message.refusals.wrappingAdd(1, ordering: .relaxed).newValue
            if message.routing != .required, refusals > Self.mostRefusals { return settle(message, .refused) }
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

    func publisherLost(error: AMQPError, unconfirmed: [UInt64]) {
        let again = unconfirmed.compactMap { sending.unconfirmed[$0]?.message }
        for end in sending.ends.values { end.inFlight = 0 }
        sending.messages.prepend(contentsOf: again)
        sending.unconfirmed = [:]
        sending.unroutable = []
        sending.ending = []
        sending.refusedStreams = []
        for stream in streams.withLock({ Array($0.values) }) { rewind(stream) }
        observer.shardLost(error)
    }

    /// The connection logs it, and was not open.
    func publisherFailed(error: AMQPError, retryingAfter delay: Duration) {}

    // MARK: Publishing

    private func collect() {
        inbox.withLock { inbox in
            sending.ready.append(contentsOf: inbox.ready)
            inbox.ready.removeAll(keepingCapacity: true)
            sending.messages.append(contentsOf: inbox.messages)
            inbox.messages.removeAll(keepingCapacity: true)
        }
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
            for stream in streams.withLock({ streams in refused.compactMap { streams[$0] } }) { rewind(stream) }
        }
    }

    private func rewind(_ stream: AnswerStream) {
        // An end that waited for the lost chunk's confirm is void.
        sending.ending.removeAll { $0.stream === stream }
        if stream.rewind() { sending.ready.append(stream) }
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
            guard entry.after <= confirmed, channel.capacity > 0 else {
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
        while channel.capacity > 0, let message = sending.messages.popFirst() {
            if let generation = message.generation, !lease.isValid(for: generation) {
                if lease.isOver(for: generation) { settle(message, .void) } else { sending.doubtful.append(message) }
                continue
            }
            guard mayGo(message) else { continue }
            let token = sending.nextToken
            sending.nextToken = token &+ 1 | Self.messageBit
            sending.unconfirmed[token] = (message, JobTimings.now())
            sending.published += 1
            _ = message.body.withUnsafeBytes { body in
                channel.publish(
                    message.template, body: body, token: token, notify: true,
                    mandatory: message.routing != .ignored)
            }
        }
    }

    private func sendChunks(_ channel: borrowing PublishChannel) {
        while channel.capacity > 0, let stream = sending.ready.popFirst() { send(stream, channel) }
    }

    /// One turn of a stream: one message (with the reset before it, where one is owed).
    private func send(_ stream: AnswerStream, _ channel: borrowing PublishChannel) {
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
        _ template: PublishTemplate, _ stream: AnswerStream, _ channel: borrowing PublishChannel
    ) -> UInt64 {
        sending.published += 1
        return sending.scratch.withUnsafeBytes { body in
            channel.publish(template, body: body, token: stream.identifier, notify: false)
        }
    }
}
