internal import AMQP
internal import ChatModel
internal import Logging
internal import Synchronization
internal import Webhooks

/// Delivers the tasks of the webhook queue: one try each, then the queue's TTL tiers hold what must be tried again.
/// Takes deliveries on the consumer's thread; tries run as tasks, away from the event loops of the token path.
final class WebhookRunner: Sendable {
    let host: JobHost
    let deliverer: WebhookDeliverer
    let endpoints: EndpointDesk
    private let endpointEvents: StreamFollower
    let order = OrderedWebhooks()
    let quarantine = Mutex(WebhookQuarantine())
    /// What came before those were read: nobody knows yet which endpoints are off.
    private let held = Mutex<[Delivery]?>([])
    let tiers: RetryTiers
    let logger: Logger
    let work = PendingWork()
    private let deliveredCount = Atomic<Int>(0)
    private let isDraining = Atomic<Bool>(false)

    init(host: JobHost, endpointEvents: StreamFollower, logger: Logger) throws {
        self.host = host
        self.endpointEvents = endpointEvents
        endpoints = EndpointDesk(
            configuration: host.configuration, logger: logger, publish: { host.shards[0].publish($0) })
        self.logger = logger
        let sender = try WebhookSender(configuration: host.configuration.webhooks, logger: logger)
        deliverer = WebhookDeliverer(sender: sender, logger: logger)
        tiers = RetryTiers(host.configuration.plan.webhookRetryTiers.map { .milliseconds($0) })
        endpointEvents.attach(endpoints)
    }

    /// Deliveries of this connection are held back until the events of endpoints are read.
    func opened() {
        held.withLock { $0 = [] }
        endpointEvents.whenCurrent { [self] in
            let deliveries = held.withLock { held in
                defer { held = nil }
                return held ?? []
            }
            for delivery in deliveries { begin(delivery) }
        }
    }

    func lost() {
        held.withLock { $0 = [] }
        order.forget()
        quarantine.withLock { $0.survived() }
    }

    var delivered: Int { deliveredCount.load(ordering: .relaxed) }
    var pending: Int { work.count }
    /// Endpoints that are turned off, and those whose breaker is open in some worker.
    var endpointStates: [EndpointLedger.State] { endpoints.states }

    /// A task from the queue. Not acked, it comes again; so while the worker drains it is left alone.
    func take(_ delivery: Delivery) {
        let isHeld = held.withLock { held in
            held?.append(delivery)
            return held != nil
        }
        if !isHeld { begin(delivery) }
    }

    private func begin(_ delivery: Delivery) {
        guard !isDraining.load(ordering: .relaxed) else { return }
        guard isOwn(delivery) else {
            return bury(delivery, reason: "foreign_task", detail: "only workers may publish webhook tasks")
        }
        let task: WebhookTask
        do {
            task = try WebhookTask(headers: { Self.header(delivery, $0) }, body: delivery.body)
        } catch {
            return bury(delivery, reason: "malformed_task", detail: "\(error)")
        }
        guard !endpoints.isDisabled(task.endpoint) else { return giveUp(delivery, task, .endpointDisabled) }
        let rest = task.remaining(now: host.wallClock().milliseconds)
        if tiers.tier(forRemaining: rest) != nil { return move(delivery, task, waiting: rest) }
        guard passesQuarantine(delivery, task) else { return }
        guard isOrdered(delivery, task) else { return post(delivery, task) }
        let turn = order.arrive(.init(delivery: delivery, task: task), now: host.wallClock().milliseconds)
        if let turn { follow([turn]) }
    }

    /// Posts it, once the job whose end it tells is acked here: should the answer kill this worker, the job must not come
    /// again, end again, and ask for the same webhook under another number.
    private func post(_ delivery: Delivery, _ task: WebhookTask) {
        work.enter()
        guard let job = host.board.known(JobKey(customer: task.customer, id: task.job)) else {
            return submit(delivery, task)
        }
        job.loop.execute { job.whenEnded(as: task.attempt) { self.submit(delivery, task) } }
    }

    private func submit(_ delivery: Delivery, _ task: WebhookTask) {
        // A child of nobody: `work` counts it, and a stop waits for it.
        Task {
            var traced = task
            let span = host.configuration.tracer.map {
                WebhookSpan(
                    $0, posting: task.id, ofJob: task.job, customer: task.customer, tries: task.tries, in: task.trace)
            }
            if let span { traced.trace = span.trace }
            let result = await deliverer.submit(traced)
            if task.job.hasPrefix("poison-") { Failpoint.webhookPoison.hit() }
            span?.ended(
                status: result.outcome.status,
                result.decision == .delivered ? nil : result.outcome.kind.name)
            finish(delivery, task, result)
            work.leave()
        }
    }

    /// What becomes of a customer's next results.
    func follow(_ actions: [OrderedWebhooks.Action]) {
        for action in actions {
            switch action {
            case .go(let held):
                guard !isDraining.load(ordering: .relaxed) else { continue }
                post(held.delivery, held.task)
            case .away(let held, let wait):
                let task = held.task.postponed(.milliseconds(wait), now: host.wallClock().milliseconds)
                move(held.delivery, task, waiting: .milliseconds(wait))
            }
        }
    }

    /// Lets tries under way end until `deadline`; then cuts them.
    func drain(until deadline: ContinuousClock.Instant) async {
        isDraining.store(true, ordering: .relaxed)
        await work.finished(before: deadline)
    }

    /// Tries that begin from now on go by this.
    func reload(_ configuration: WebhookConfiguration) { deliverer.sender.update(configuration) }

    func shutdown() async { await deliverer.shutdown() }

    private func isOwn(_ delivery: Delivery) -> Bool { delivery.properties.userID == host.user }

    private static func header(_ delivery: Delivery, _ name: String) -> WebhookTask.HeaderValue? {
        switch delivery.properties.headers[name] {
        case .string(let text): .string(text)
        case .int(let number): .int(number)
        default: nil
        }
    }

    private func finish(_ delivery: Delivery, _ task: WebhookTask, _ result: WebhookDeliverer.Result) {
        if let state = result.breaker { endpoints.breaker(of: task.endpoint, is: state) }
        let now = host.wallClock()
        if result.outcome.kind.isTry || result.outcome.kind.isProxys {
            host.metrics.webhooksByOutcome.add(result.record.outcome)
        }
        if result.outcome.kind.isTry {
            host.metrics.webhook.record(Double(result.record.latencyMilliseconds) / 1_000)
        }
        switch result.decision {
        case .delivered:
            Failpoint.webhookPosted.hit()
            deliveredCount.add(1, ordering: .relaxed)
            host.acknowledge(delivery.tag)
            tell(.delivered, task, result.outcome.status, nil)
            follow(order.done(task))
        case .retry(let wait):
            tell(
                .retrying, task, result.outcome.status, result.outcome.kind.name,
                next: Timestamp(milliseconds: now.milliseconds + wait.milliseconds))
            move(
                delivery, task.retrying(after: wait, now: now.milliseconds, record: result.record), waiting: wait)
            follow(order.left(task, for: wait, now: now.milliseconds))
        case .postpone(let wait):
            move(delivery, task.postponed(wait, now: now.milliseconds), waiting: wait)
            follow(order.left(task, for: wait, now: now.milliseconds))
        case .dead(.endpointGone):
            // Known to all before the task is gone: else a crash would leave the endpoint on.
            work.enter()
            endpoints.gone(task.endpoint) { [self] _ in
                giveUp(delivery, task, .endpointGone, result)
                work.leave()
            }
        case .dead(let reason): giveUp(delivery, task, reason, result)
        case .handBack: break
        }
    }
}
