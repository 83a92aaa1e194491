internal import ChatModel
internal import Gateway
internal import Logging
internal import NIOCore

/// A job before it asks: its turn, its model's gate, and the times after which it does not wait any more. On its event loop.
extension JobExecution {
    /// It was admitted: it waits for its turn, unless there is nothing to wait for.
    func enter() {
        beginSpans()
        tell("taken", [LogKey.queue: "\(delivery.queue)"])
        // Read between the job's arrival and its admission, the cancel did not find it.
        switch host.control.cancel(of: job.key, enqueued) {
        case .applies: return cancel()
        case .ignored(let reason): tellIgnoredCancel(reason)
        case .none: break
        }
        waitInLine()
        standInLine()
    }

    /// A cancel of this job's id was read while the job is here.
    func cancelRead(_ cancel: ControlMessage.Cancel, isLive: Bool) {
        switch host.control.cancel(of: job.key, enqueued) {
        case .applies: self.cancel()
        // Whatever the clocks say, the job was here before it; unless a replay says how far the stream had come.
        case .ignored where isLive && cancel.offset > enqueued.controlOffset ?? -1: self.cancel()
        case .ignored(let reason): tellIgnoredCancel(reason)
        case .none: break
        }
    }

    /// A cancel that says this job's id ends another one: whoever sent it can find out (`explain`, `cancel --wait`).
    private func tellIgnoredCancel(_ reason: String) {
        host.logger.notice(
            "cancel ignored",
            metadata: [
                LogKey.job: "\(job.id)", LogKey.customer: "\(job.customer)", LogKey.error: "\(reason)",
            ])
        let event = JobEvent.message(
            .cancelIgnored, of: job.key,
            .init(attempt: machine.attempt.value, queue: delivery.queue, reason: reason), host)
        if let event { shard.publish(event) }
    }

    /// A place is free, and its model's gate let it through.
    func begin(_ pass: RouteGates.Pass) {
        take(pass)
        guard machine.phase == .waiting else {
            leaveGate(.other)
            // Ended while it stood in the line: the board hears of it from there.
            return
        }
        leaveLine()
        if case .tried = suspicion, !host.suspects.takesTurn(self) { return }
        startAsking()
    }

    /// It has its place and its turn.
    func startAsking() {
        if isPastDeadline { return perform(machine.timeExpired(.deadlineExceeded)) }
        guard mayAsk() else { return }
        if timeLimit == nil { scheduleTimeLimit() }
        watchReader()
        perform(machine.begin())
    }

    /// It stands in the line: not past its deadline, and not so long that its delivery would grow old.
    func waitInLine() {
        guard machine.phase == .waiting else { return }
        if isPastDeadline { return perform(machine.timeExpired(.deadlineExceeded)) }
        let remaining = host.gates.remaining(lane)
        if remaining > settings.retry.longestInWorker {
            return perform(machine.waitExpired(remaining))
        }
        let since = NIODeadline.now().uptimeNanoseconds &- timings.received
        let left = settings.parkAfter - .nanoseconds(Int64(clamping: since))
        waitLimit?.invalidate()
        waitLimit = timer(after: left) {
            self.perform(self.machine.waitExpired(max(self.host.gates.remaining(self.lane), JobHost.parkedWait)))
        }
        guard let deadline = job.deadline, deadlineLimit == nil else { return }
        let time = Duration.milliseconds(deadline - host.wallClock().milliseconds)
        deadlineLimit = timer(after: time) {
            guard self.machine.phase == .waiting else { return }
            self.perform(self.machine.timeExpired(.deadlineExceeded))
        }
    }

    func leaveLine() {
        waitLimit?.invalidate()
        deadlineLimit?.invalidate()
        (waitLimit, deadlineLimit) = (nil, nil)
    }

    /// Holds the job until it is invalidated, or is due.
    func timer(after wait: Duration, _ action: @escaping () -> Void) -> LoopTimer {
        let timer = LoopTimer(loop: loop, action: action)
        timer.set(.now() + TimeAmount(max(wait, .zero)))
        return timer
    }

    var isPastDeadline: Bool { job.deadline.map { $0 <= host.wallClock().milliseconds } ?? false }

    /// Since a worker saw the job first. Earlier lives are measured by the clocks on the walls, this one is not.
    var age: Duration {
        ageOnArrival + .nanoseconds(Int64(clamping: NIODeadline.now().uptimeNanoseconds &- timings.received))
    }

    /// It may ask: the model that its pass is for.
    func take(_ pass: RouteGates.Pass) {
        self.pass = pass
        let before = routes.current
        routes.chose(pass.key, skipped: pass.skipped)
        guard routes.current != before || rerouted?.value.fallback?.cause != routes.cause else { return }
        rerouted = routes.cause.map { Box(job.rerouted(to: routes.current, because: $0)) }
    }

    /// The gateway began to answer: whoever waits at its gate may go.
    func gateAnswered() {
        guard var pass else { return }
        host.gates.answered(&pass)
        self.pass = pass
        host.board.gateMayHaveOpened()
    }

    @discardableResult
    func leaveGate(_ end: RouteGates.End) -> RouteGates.Change {
        guard let pass else { return .none }
        self.pass = nil
        let metadata: Logger.Metadata = [
            LogKey.gateway: "\(pass.key.gateway)", LogKey.model: "\(pass.key.model)",
        ]
        func tell(_ level: Logger.Level, _ message: Logger.Message, _ pause: Duration) {
            host.logger.log(
                level: level, message,
                metadata: metadata.merging([LogKey.waitMilliseconds: "\(pause.milliseconds)"]) { $1 })
        }
        let change = host.gates.left(pass, end)
        if case .limited = end { limitMarks[pass.key] = host.gates.mark }
        switch change {
        case .none: break
        case .shut(let pause):
            host.counters.rateLimited.add(1, ordering: .relaxed)
            tell(.info, "rate limited", pause)
        case .limitedAlone:
            host.counters.rateLimited.add(1, ordering: .relaxed)
            tell(.info, "rate limited, while others are answered: the job's own failure", .zero)
        case .coolsDown(let pause): tell(.warning, "model cools down after failures", pause)
        }
        host.board.gateMayHaveOpened()
        return change
    }

    /// It has failed before its first output, or its wait is over: it asks again if a gate lets it.
    ///
    /// - Parameter isForced: it has text that was paid for, and stays in this worker.
    func reenterGate(isForced: Bool = false, _ event: (inout JobMachine) -> JobMachine.Action) {
        if let pass = host.gates.enter(lane, isForced: isForced) {
            take(pass)
            if mayAsk() { perform(event(&machine)) }
        } else {
            perform(machine.foundNoGate())
        }
    }

    func yieldPlace() {
        host.board.yield(self)
        waitInLine()
    }

    func scheduleTimeLimit() {
        let total = settings.totalTimeout
        let left = job.deadline.map { Duration.milliseconds($0 - host.wallClock().milliseconds) } ?? total
        let failure: JobFailure = left < total ? .deadlineExceeded : .totalTimeout
        timeLimit = timer(after: min(left, total)) {
            self.perform(self.machine.timeExpired(failure))
        }
    }

    /// Where only a reader of the replies wants the answer: whether there is one.
    func watchReader() {
        guard let readers = host.readers, job.webhook == nil, readerChecks == nil,
            let address = ReplyAddress(job, host.configuration.plan), address.exchange.isEmpty
        else { return }
        readerChecks = loop.scheduleRepeatedTask(initialDelay: .zero, delay: ReplyReaders.interval) { [weak self] _ in
            guard let self else { return }
            readers.check(address.routingKey, on: loop) { [weak self] in self?.unread() }
        }
    }
}
