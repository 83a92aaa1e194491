public import ChatModel

/// A webhook still to be delivered, as it stands in the broker's queue.
public struct WebhookTask: Sendable, Equatable {
    /// The `webhook-id`, the same on every try.
    public var id: String
    public var target: WebhookTarget
    public var customer: String
    public var job: String
    /// The job's attempt whose result this is.
    public var attempt: Int64
    public var eventType: WebhookEventType
    /// Exactly as it is posted and signed.
    public var body: [UInt8]
    /// Tries made so far.
    public var tries: Int
    /// Milliseconds since 1970.
    public var createdAt: Int64
    /// Milliseconds since 1970 before which the next try must not be; 0: now.
    public var notBefore: Int64
    /// Milliseconds of the wait that are left when it comes out of the queue it waits in; `nil` where nobody said.
    public var waitLeft: Int64?
    /// W3C trace context, posted as it came with the job.
    public var trace: TraceContext?
    /// The tries made so far, for the dead-letter queue.
    public var history: [TryRecord] = []

    public init(
        id: String, target: WebhookTarget, customer: String, job: String, attempt: Int64,
        eventType: WebhookEventType, body: [UInt8], tries: Int = 0, createdAt: Int64, notBefore: Int64 = 0,
        trace: TraceContext? = nil
    ) {
        self.id = id
        self.target = target
        self.customer = customer
        self.job = job
        self.attempt = attempt
        self.eventType = eventType
        self.body = body
        self.tries = tries
        self.createdAt = createdAt
        self.notBefore = notBefore
        self.trace = trace
    }

    /// How long to wait still; not positive when it is due.
    /// - Parameter now: milliseconds since 1970.
    public func remaining(now: Int64) -> Duration {
        RetryTiers.remaining(until: self.notBefore, atMost: self.waitLeft, now: now)
    }

    /// This task after a failed try.
    /// - Parameter now: milliseconds since 1970.
    public func retrying(after wait: Duration, now: Int64, record: TryRecord? = nil) -> WebhookTask {
        var task = self.postponed(wait, now: now)
        task.tries += 1
        if let record { task.history.append(record) }
        return task
    }

    /// All tries, as they stand in the header of a dead letter.
    public func historyHeader(adding record: TryRecord?) -> String {
        TryRecord.header(self.history + (record.map { [$0] } ?? []))
    }

    /// This task for later without a try.
    /// - Parameter now: milliseconds since 1970.
    public func postponed(_ wait: Duration, now: Int64) -> WebhookTask {
        var task = self
        task.notBefore = now.addingReportingOverflow(wait.wholeMilliseconds).partialValue
        task.waitLeft = nil
        return task
    }

    /// This task on its way into a waiting queue.
    public func waiting(_ wait: Duration, in tier: Duration) -> WebhookTask {
        var task = self
        task.waitLeft = max(.zero, wait - tier).wholeMilliseconds
        return task
    }
}
