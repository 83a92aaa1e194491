import Glibc
import Logging

/// The life of a publish connection's thread: connect, confirm mode, publish what the driver has while the window is
/// open, tell it of confirms; again after a loss.
///
/// While the thread sleeps on a plain connection, another may borrow the loop and publish at once (`publishBorrowed`):
/// that saves each lone token two switches between threads. Confirms that nobody waits for are read a little late, and so
/// many at once.
///
/// Unchecked: whoever touches it has `mailbox.ownership`.
final class PublisherLoop: @unchecked Sendable {
    /// Frames handled before the driver is asked again.
    private static let framesPerTurn = 1024
    /// How late a confirm may be read that nobody waits for, in nanoseconds.
    private static let lateRead: UInt64 = 20_000_000

    private let configuration: AMQPConfiguration
    private let topology: Topology
    private let driver: any PublisherDriver
    private let role: String
    private let mailbox: PublisherMailbox
    private let poller: ConnectionPoller
    private let logger: Logger

    private var generation: UInt64 = 0
    private var window: ConfirmWindow
    private var link: BrokerLink?
    private var failure: AMQPError?
    /// Something that is published to was missing: it is declared before anything is published again.
    private var mustDeclare = false
    private var isBlocked = false
    /// Bytes that the socket certainly takes now, and how much that is when it says that it is writable.
    private var room = 0
    private var roomPerPoll = 0
    private var publishedInBatch = 0
    private var isCorked = false
    /// The thread sleeps on its socket, and so hears of a confirm at once.
    private var isListening = true
    /// Tokens that were offered without capacity, to be refused when the driver has returned.
    private var offeredInVain: [UInt64] = []
    private let asksForAlarms: Bool
    private var alarms = AlarmQuestions(isOff: true)
    private var told: [UInt64] = []

    init(
        configuration: AMQPConfiguration, topology: Topology, window: Int, driver: any PublisherDriver, role: String,
        asksForAlarms: Bool, mailbox: PublisherMailbox, logger: Logger
    ) {
        self.asksForAlarms = asksForAlarms
        self.configuration = configuration
        self.topology = topology
        self.window = ConfirmWindow(size: window)
        self.driver = driver
        self.role = role
        self.mailbox = mailbox
        self.logger = logger
        poller = ConnectionPoller(ownership: mailbox.ownership)
    }

    /// By the thread, once.
    func run() {
        mailbox.loop = self
        defer { mailbox.loop = nil }
        var backoff = ReconnectBackoff(
            first: configuration.reconnectFirst, most: configuration.reconnectMost,
            addressCount: configuration.addresses.count)
        while mailbox.closeDeadline == nil {
            guard let wait = attempt(&backoff) else { break }
            poller.wait(limit: wait.clampedNanoseconds) { mailbox.closeDeadline != nil }
        }
    }

    /// One connection from opening to end. Returns how long to wait before the next, `nil` after a close.
    private func attempt(_ backoff: inout ReconnectBackoff) -> Duration? {
        let index = backoff.takeAddress()
        guard configuration.addresses.indices.contains(index) else {
            driver.publisherFailed(
                error: AMQPError(.configuration, "no broker address is configured"), retryingAfter: .seconds(3600))
            return .seconds(3600)
        }
        let link: BrokerLink
        do throws(AMQPError) {
            link = try BrokerLink.open(
                configuration: configuration, address: configuration.addresses[index], role: role)
            try link.watched { () throws(AMQPError) in
                if mustDeclare { _ = try link.declare(topology) }
                try link.selectConfirms()
                if asksForAlarms { try link.openAlarmChannel() }
            }
        } catch {
            let wait = backoff.wait(random: .random(in: 0..<1))
            logger.warning("amqp connection failed", metadata: metadata(error))
            driver.publisherFailed(error: error, retryingAfter: wait)
            return wait
        }
        let opened = Monotonic.now()
        if mustDeclare {
            mustDeclare = false
            logger.notice("amqp topology declared anew", metadata: ["amqp.role": "\(role)"])
        }
        begin(link)
        logger.info("amqp connected", metadata: ["amqp.role": "\(role)", "amqp.address": "\(link.address.text)"])
        driver.publisherOpened(generation: generation)
        defer {
            self.link = nil
            mailbox.pulse.rest()
        }
        do throws(AMQPError) {
            try serve(link)
            if window.outstanding > 0 {
                lose(AMQPError(.closed, "closed with \(window.outstanding) messages not confirmed"))
            }
            link.close()
            return nil
        } catch {
            backoff.closed(after: .nanoseconds(Int64(clamping: Monotonic.now() - opened)))
            if error.code == .channelClosed { link.close() }
            logger.warning("amqp connection lost", metadata: metadata(error))
            mustDeclare = error.isBrokersClose && error.replyCode == 404
            if error.isBrokersClose { driver.publisherClosed(error: error, inFlight: window.outstandingTokens) }
            // Over a message: the broker is well, and what waits must not pay for each that it does not take.
            if error.code == .channelClosed || error.replyCode == 541 { backoff.answered() }
            lose(error)
            return backoff.wait(random: .random(in: 0..<1))
        }
    }

    private func metadata(_ error: AMQPError) -> Logger.Metadata {
        ["amqp.role": "\(role)", "error": "\(error)"]
    }

    private func begin(_ link: BrokerLink) {
        generation += 1
        self.link = link
        failure = nil
        isBlocked = false
        room = 0
        isCorked = false
        alarms = AlarmQuestions(isOff: !asksForAlarms)
        // The kernel says "writable" while at least a third of the send buffer is free, counting its own overhead.
        roomPerPoll = max(4096, link.sendBufferSize / 6)
    }

    /// Blocked and outstanding belong to the connection that is gone.
    private func lose(_ error: AMQPError) {
        if isBlocked {
            isBlocked = false
            driver.publisherBlocked(false, reason: "")
        }
        driver.publisherLost(error: error, unconfirmed: window.drain())
    }

    /// Until closed; throws when the connection is lost.
    private func serve(_ link: BrokerLink) throws(AMQPError) {
        var assembler = FrameAssembler(channel: BrokerLink.channel, maximumBodySize: 0, hardCap: 0)
        var mustAsk = true
        var mustRead = true
        var lastRead: UInt64 = 0
        var lastPublished: UInt64 = 0
        var nextTick = Monotonic.now() + ConnectionPoller.tick
        while true {
            let now = Monotonic.now()
            mailbox.pulse.beat(now: now)
            link.enter(now: now)
            // What the kernel did not take from who borrowed the loop goes before anything else.
            flush(link)
            if let failure { throw failure }
            // Reading comes first: it notices a blocked or dead connection before anything is published to it. A socket that
            // `poll` has just found empty is not asked again.
            let (isDry, hasProgress) = mustRead ? try receive(link, &assembler) : (true, false)
            if mustRead { lastRead = now }
            mustRead = true
            let deadline = mailbox.closeDeadline
            if mustAsk || hasProgress || deadline != nil, !isBlocked { offer(link) }
            if let failure { throw failure }
            if !isBlocked, link.output.isEmpty, alarms.isDue(now: now, lastPublished: window.lastPublished) {
                try link.askForAlarm()
            }
            link.releaseBuffers()
            link.leave()

            var limit = ConnectionPoller.tick
            if let deadline {
                if window.outstanding == 0 && offersNothing || now >= deadline { return }
                limit = min(limit, deadline - now)
            }
            let wantsOutput = room <= 0 && !isBlocked && window.capacity > 0
            var isTick = now >= nextTick
            if isDry, !link.hasBufferedInput {
                // Where nothing was published since the last sleep there is nothing to gather confirms of.
                isListening = wantsOutput || !mayReadLate || window.lastPublished == lastPublished
                lastPublished = window.lastPublished
                if !isListening { limit = min(limit, Self.lateRead) }
                let wake = poller.sleep(
                    socket: isListening ? link.fileDescriptor : -1, as: rest(link), wantsOutput: wantsOutput,
                    limit: limit)
                // Heartbeats are sent and checked in the library's reading.
                mustRead = wake != .call || isTick || !isListening && now - lastRead >= Self.lateRead
                isTick = isTick || wake == .time && isListening
            }
            // At each tick in any case: the driver may hold messages back for a while.
            mustAsk = mailbox.ownership.take() || wantsOutput || isTick
            if isTick { nextTick = now + ConnectionPoller.tick }
        }
    }

    private func rest(_ link: BrokerLink) -> LoopOwnership.Rest {
        if capacity == 0 { return .full }
        return link.library == nil ? .lendable : .own
    }

    /// Nobody waits for a confirm, and there is room for more without them.
    private var mayReadLate: Bool {
        !driver.awaitsConfirms && !isBlocked && window.outstanding <= window.size / 4 && mailbox.closeDeadline == nil
    }

    /// The driver published nothing although it could have.
    private var offersNothing: Bool { isBlocked || publishedInBatch == 0 }

    // MARK: Receiving

    /// Handles what has come. `isDry`: nothing more for now; `hasProgress`: the driver may publish more than before.
    private func receive(
        _ link: BrokerLink, _ assembler: inout FrameAssembler
    ) throws(AMQPError) -> (isDry: Bool, hasProgress: Bool) {
        var hasProgress = false
        for _ in 0..<Self.framesPerTurn {
            guard let frame = try link.nextFrame() else { return (true, hasProgress) }
            let event = frame.channel == BrokerLink.alarmChannel ? nil : try assembler.consume(frame)
            if frame.channel == BrokerLink.alarmChannel { answered(frame, link) }
            link.releaseBuffers()
            if let event { hasProgress = try handle(event, link) || hasProgress }
            // The library would ask the socket twice to find it empty; `poll` tells of what is there still.
            if !link.hasBufferedInput { return (true, hasProgress) }
        }
        return (false, hasProgress)
    }

    /// The broker has taken the question whether it has an alarm, or does not let this login ask.
    private func answered(_ frame: IncomingFrame, _ link: BrokerLink) {
        alarms.answered()
        guard case .method(_, .channelClose(_, let text)) = frame else { return }
        alarms.turnOff()
        link.confirmChannelClose(BrokerLink.alarmChannel)
        logger.warning(
            "the broker cannot be asked for alarms", metadata: ["amqp.role": "\(role)", "reason": "\(text)"])
    }

    private func handle(_ event: BrokerEvent, _ link: BrokerLink) throws(AMQPError) -> Bool {
        switch event {
        case .acknowledged(let tag, let multiple):
            told.removeAll(keepingCapacity: true)
            guard window.acknowledged(tag, multiple: multiple, into: &told) else {
                throw AMQPError(.protocolViolation, "the broker confirmed message \(tag), which was never published")
            }
            for token in told { driver.publisherConfirmed(token) }
            return true
        case .refused(let tag, let multiple):
            told.removeAll(keepingCapacity: true)
            guard window.refused(tag, multiple: multiple, into: &told) else {
                throw AMQPError(.protocolViolation, "the broker refused message \(tag), which was never published")
            }
            for token in told { driver.publisherRejected(token) }
            return true
        case .returned(let message):
            if let token = window.returned(fingerprint: message.fingerprint) {
                driver.publisherReturned(token, replyCode: message.replyCode, replyText: message.replyText)
            } else {
                logger.warning(
                    "amqp return without its message",
                    metadata: ["amqp.role": "\(role)", "amqp.reply_code": "\(message.replyCode)"])
            }
            return false
        case .blocked(let reason):
            guard !isBlocked else { return false }
            isBlocked = true
            link.setUserTimeout(isOn: false)
            logger.warning("amqp connection blocked", metadata: ["amqp.role": "\(role)", "reason": "\(reason)"])
            driver.publisherBlocked(true, reason: reason)
            return false
        case .unblocked:
            guard isBlocked else { return false }
            isBlocked = false
            link.setUserTimeout(isOn: true)
            logger.info("amqp connection unblocked", metadata: ["amqp.role": "\(role)"])
            driver.publisherBlocked(false, reason: "")
            return true
        case .channelClosed(let code, let text):
            link.confirmChannelClose()
            throw AMQPError(.channelClosed, text, replyCode: code)
        case .connectionClosed(let code, let text):
            link.confirmConnectionClose()
            throw AMQPError(.connectionClosed, text, replyCode: code)
        case .delivered, .got, .getEmpty, .cancelled, .cancelConfirmed, .flowConfirmed:
            return false
        }
    }

    // MARK: Publishing

    /// Publishes what the driver has, on the thread of who borrowed the loop. Never waits.
    /// - Returns: whether the loop's own thread has to go on.
    func publishBorrowed() -> Bool {
        guard let link, failure == nil else { return true }
        link.mayWait = false
        offer(link)
        link.mayWait = true
        return failure != nil || !link.output.isEmpty || capacity == 0 || !isListening && !mayReadLate
    }

    /// Asks the driver for what it has.
    private func offer(_ link: BrokerLink) {
        publishedInBatch = 0
        if room <= 0 { renewRoom(link) }
        if capacity > 0 {
            driver.publisherReady(PublishChannel(loop: self))
            flush(link)
            if isCorked {
                isCorked = false
                link.setCork(false)
            }
        }
        if !offeredInVain.isEmpty {
            let tokens = offeredInVain
            offeredInVain = []
            for token in tokens { driver.publisherRejected(token) }
        }
    }

    private func renewRoom(_ link: BrokerLink) {
        room = ConnectionPoller.isWritable(link.fileDescriptor) ? roomPerPoll : 0
    }

    /// See `PublishChannel.capacity`.
    var capacity: Int { isBlocked || failure != nil || room <= 0 ? 0 : window.capacity }

    /// See `PublishChannel.confirmedThrough`.
    var confirmedThrough: UInt64 { window.settledThrough }
    var lastPublished: UInt64 { window.lastPublished }

    /// See `PublishChannel.publish`.
    func publish(
        _ template: PublishTemplate, body: UnsafeRawBufferPointer, token: UInt64, notify: Bool, mandatory: Bool
    ) {
        guard let link, capacity > 0 else {
            offeredInVain.append(token)
            return
        }
        // Through TLS each message is a write of its own: only a second makes it worth two more system calls to join packets.
        if link.library != nil, publishedInBatch == 1, !isCorked {
            isCorked = true
            link.setCork(true)
        }
        publishedInBatch += 1
        // Counted before it is sent: a message whose sending fails half way may have arrived.
        window.published(
            token: token, notify: notify,
            fingerprint: mandatory ? template.fingerprint(bodySize: body.count) : nil)
        do throws(AMQPError) {
            room -= try link.publish(template, body: body, mandatory: mandatory)
        } catch {
            failure = error
            return
        }
        guard room <= 0 else { return }
        flush(link)
        renewRoom(link)
    }

    private func flush(_ link: BrokerLink) {
        guard failure == nil else { return }
        do throws(AMQPError) { try link.flush() } catch { failure = error }
    }
}
