internal import ChatModel
internal import NIOCore

/// A job before it asks: its turn, its model's gate, and the times after which it does not wait any more. On its event loop.
extension JobExecution {
    /// It was admitted: it waits for its turn, unless there is nothing to wait for.
    func enter() {
        // Read between the job's arrival and its admission, the cancel did not find it.
        if isCancelled { return cancel() }
        waitInLine()
        if machine.phase == .waiting { host.board.enter(self) }
    }

    /// A place is free, and its model's gate let it through.
    func begin(_ pass: RateGate.Pass) {
        self.pass = pass
        guard machine.phase == .waiting else {
            leaveGate(wasAnswered: false)
            // Ended while it stood in the line: the board hears of it from there.
            return
        }
        waitLimit?.cancel()
        deadlineLimit?.cancel()
        if isPastDeadline { return perform(machine.timeExpired(.deadlineExceeded)) }
        if timeLimit == nil { scheduleTimeLimit() }
        watchReader()
        perform(machine.begin())
    }

    /// It stands in the line: not past its deadline, and not so long that its delivery would grow old.
    func waitInLine() {
        guard machine.phase == .waiting else { return }
        if isPastDeadline { return perform(machine.timeExpired(.deadlineExceeded)) }
        let remaining = host.gates.remaining(gate)
        if remaining > host.configuration.retry.longestInWorker {
            return perform(machine.waitExpired(remaining))
        }
        waitLimit?.cancel()
        let since = NIODeadline.now().uptimeNanoseconds &- timings.received
        let left = host.configuration.parkAfter - .nanoseconds(Int64(clamping: since))
        waitLimit = loop.scheduleTask(in: TimeAmount(max(left, .zero))) {
            self.perform(self.machine.waitExpired(max(self.host.gates.remaining(self.gate), JobHost.parkedWait)))
        }
        guard let deadline = job.deadline, deadlineLimit == nil else { return }
        let time = Duration.milliseconds(max(0, deadline - host.wallClock().milliseconds))
        deadlineLimit = loop.scheduleTask(in: TimeAmount(time)) {
            guard self.machine.phase == .waiting else { return }
            self.perform(self.machine.timeExpired(.deadlineExceeded))
        }
    }

    var isPastDeadline: Bool { job.deadline.map { $0 <= host.wallClock().milliseconds } ?? false }

    /// Since a worker saw the job first. Earlier lives are measured by the clocks on the walls, this one is not.
    var age: Duration {
        ageOnArrival + .nanoseconds(Int64(clamping: NIODeadline.now().uptimeNanoseconds &- timings.received))
    }

    func leaveGate(wasAnswered: Bool) {
        guard let pass else { return }
        self.pass = nil
        if wasAnswered { host.gates.answered(gate, pass) } else { host.gates.left(gate, pass) }
        host.board.gateMayHaveOpened()
    }

    func yieldPlace(_ retryAfter: Duration?) {
        guard let pass else { return }
        self.pass = nil
        let pause = host.gates.limited(gate, pass, retryAfter: retryAfter)
        host.counters.rateLimited.add(1, ordering: .relaxed)
        host.logger.info(
            "rate limited",
            metadata: [
                LogKey.gateway: "\(gate.gateway)", LogKey.model: "\(gate.model)",
                LogKey.waitMilliseconds: "\(pause.milliseconds)",
            ])
        host.board.yield(self)
        waitInLine()
    }

    func scheduleTimeLimit() {
        let total = host.configuration.totalTimeout
        let left = job.deadline.map { Duration.milliseconds($0 - host.wallClock().milliseconds) } ?? total
        let failure: JobFailure = left < total ? .deadlineExceeded : .totalTimeout
        timeLimit = loop.scheduleTask(in: TimeAmount(min(left, total))) {
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
