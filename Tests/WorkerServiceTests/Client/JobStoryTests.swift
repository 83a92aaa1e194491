import ChatModel
import Testing

@testable import WorkerService

/// What is made of a job's events, in whatever order and number they come.
@Suite struct JobStoryTests {
    private static func event(_ kind: JournalEvent.Kind, _ attempt: Int64 = 1, at second: Int64 = 0) -> JournalEvent {
        JournalEvent(
            kind: kind, customer: "acme", attempt: attempt, time: Timestamp(milliseconds: second * 1_000), worker: "w1")
    }

    private static let started = JournalEvent.Kind.started(gateway: "main", model: "m")

    private static func usage(_ outcome: String, cost: Int64? = nil, webhook: String? = nil) -> JournalEvent.Kind {
        var usage = JournalEvent.Usage(outcome: outcome)
        usage.cost = cost.map { Money(billionths: $0) }
        usage.webhookID = webhook
        return .usage(usage)
    }

    private static func story(_ events: [JournalEvent]) -> JobStory {
        var story = JobStory(job: "j", customer: "acme")
        for event in events { story.note(event) }
        return story
    }

    private static let time = Timestamp(milliseconds: 9_000)

    @Test(arguments: [
        ([], "queued"),
        ([event(started)], "running"),
        ([event(started), event(usage("completed"))], "completed"),
        ([event(started), event(usage("discarded"))], "between_attempts"),
        ([event(started), event(usage("discarded")), event(started, 2)], "running"),
        ([event(started), event(usage("killed"))], "queued"),
        ([event(started), event(.moved(state: "parked", queue: "q", notBefore: time, error: nil))], "waiting"),
        ([event(started), event(.moved(state: "handed_back", queue: "q", notBefore: nil, error: nil))], "queued"),
        // The event of a lower attempt comes late: a worker that had lost the job.
        (
            [event(started), event(started, 1_001), event(usage("completed"), 1_001), event(usage("killed"))],
            "completed"
        ),
        // A replay runs again.
        ([event(started), event(usage("failed")), event(started, 1_000_001)], "running"),
        // Given up by the broker: answered, then dead. Its outcome is what counts.
        (
            [
                event(usage("failed"), 999_999),
                event(.moved(state: "dead", queue: "d", notBefore: nil, error: nil), 999_999),
            ], "failed"
        ),
        // An invalid job has no outcome.
        ([event(.moved(state: "dead", queue: "d", notBefore: nil, error: nil))], "dead"),
        // The end before the move of the same attempt, as it is written when an attempt is thrown away.
        (
            [
                event(started), event(.moved(state: "parked", queue: "q", notBefore: nil, error: nil)),
                event(usage("discarded")),
            ], "between_attempts"
        ),
    ])
    func whereItIs(events: [JournalEvent], state: String) {
        #expect(Self.story(events).state == state)
    }

    @Test func repeatedEventsCountOnce() {
        let story = Self.story([
            Self.event(Self.started), Self.event(Self.started, at: 5), Self.event(Self.usage("completed", cost: 7)),
            Self.event(Self.usage("completed", cost: 7), at: 3), Self.event(Self.usage("failed", cost: 5), 2),
        ])
        #expect(story.events.count == 3)
        #expect(story.cost == Money(billionths: 12))
        #expect(story.lives == 1)
    }

    @Test func livesAreToldApart() {
        let story = Self.story([
            Self.event(Self.started), Self.event(Self.started, 2), Self.event(Self.started, 1_001),
            Self.event(Self.started, 2_000_001),
        ])
        #expect(story.lives == 3)
    }

    @Test func theWebhookHasAStateOfItsOwn() {
        func webhook(_ state: String, next: Timestamp? = nil) -> JournalEvent {
            Self.event(.webhook(.init(state: state, reason: "why", next: next)))
        }
        let ended = Self.event(Self.usage("completed", webhook: "msg_1"))
        #expect(Self.story([Self.event(Self.usage("completed"))]).webhook == .none)
        #expect(Self.story([ended]).webhook == .queued)
        #expect(Self.story([ended, webhook("retrying", next: Self.time)]).webhook == .retrying(next: Self.time))
        #expect(Self.story([ended, webhook("retrying"), webhook("dead")]).webhook == .dead(reason: "why"))
        #expect(
            Self.story([ended, webhook("delivered")]).webhook == .delivered(at: Timestamp(milliseconds: 0)))
        #expect(Self.story([ended, webhook("delivered")]).state == "completed")
    }

    /// Whoever writes them, numbers that are shown end no command.
    @Test(arguments: [
        (0.0, Int64(0)), (-1.5, -1), (1e300, 1_000_000_000_000_000), (-1e300, -1_000_000_000_000_000),
        (.infinity, 0), (.nan, 0), (.greatestFiniteMagnitude, 1_000_000_000_000_000),
    ])
    func anyNumberIsANumber(_ number: Double, _ shown: Int64) {
        #expect(Int64(clampedTo: number) == shown)
    }

    @Test func theTimeOfPublishingIsThatOfItsLife() {
        var second = JournalEvent.Usage(outcome: "completed")
        second.queuedMilliseconds = 60_000
        let story = Self.story([
            Self.event(Self.started, at: 10), Self.event(Self.started, 1_001, at: 70),
            Self.event(.usage(second), 1_001, at: 80),
        ])
        #expect(story.queuedAt == Timestamp(milliseconds: 10_000))
        var broken = second
        broken.queuedMilliseconds = .infinity
        #expect(
            Self.story([Self.event(Self.started, at: 1), Self.event(.usage(broken))]).queuedAt?.milliseconds == 1_000)
    }
}
