package import ChatModel
import JobRunner

/// The story of a job as JSON. Documented in the contracts.
package enum JobStoryRecord {
    package static func members(_ story: JobStory, _ queues: [JobHistory.QueueLength]) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = [
            .init("job", .string(story.job)), .init("customer", .string(story.customer)),
            .init("state", .string(story.state)), .init("queued_at", instant(story.queuedAt)),
            .init("lives", .integer(story.lives)),
            .init(
                "cost",
                story.cost.map {
                    .object([.init("amount", .number($0.decimal)), .init("currency", .string("USD"))])
                } ?? .null),
        ]
        switch story.place {
        case .running(let worker, let since):
            members += [.init("worker", text(worker)), .init("since", .string(since.rfc3339))]
        case .betweenAttempts(let worker): members.append(.init("worker", text(worker)))
        case .waiting(let queue, let until):
            members += [.init("queue", .string(queue)), .init("not_before", instant(until))]
        case .queued(let queue): members.append(.init("queue", text(queue)))
        case .ended(_, let time): members.append(.init("ended_at", .string(time.rfc3339)))
        }
        members.append(.init("webhook", webhook(story.webhook)))
        members.append(.init("events", .array(story.events.map { .object(event($0)) })))
        members.append(
            .init("dead_letters", .array(story.deadLetters.map { .object(DeadLetterRecord.summary($0)) })))
        members.append(.init("queues", self.queues(queues)))
        return members
    }

    /// Of a job that nothing is known of.
    package static func unknown(_ job: String, _ history: JobHistory) -> [JSONValue.Member] {
        [
            .init("job", .string(job)), .init("state", .string("unknown")),
            .init("journal_since", instant(history.reachesBackTo)), .init("queues", queues(history.queues)),
        ]
    }

    private static func queues(_ queues: [JobHistory.QueueLength]) -> JSONValue {
        .array(
            queues.map {
                .object([
                    .init("name", .string($0.name)), .init("messages", .integer($0.messages)),
                    .init("consumers", .integer($0.consumers)),
                ])
            })
    }

    private static func webhook(_ place: JobStory.WebhookPlace) -> JSONValue {
        func object(_ state: String, _ more: [JSONValue.Member] = []) -> JSONValue {
            .object([.init("state", .string(state))] + more)
        }
        return switch place {
        case .none: .null
        case .queued: object("queued")
        case .retrying(let next): object("retrying", [.init("next", instant(next))])
        case .delivered(let time): object("delivered", [.init("at", .string(time.rfc3339))])
        case .dead(let reason): object("dead", [.init("reason", text(reason))])
        }
    }

    private static func event(_ event: JournalEvent) -> [JSONValue.Member] {
        let common: [JSONValue.Member] = [
            .init("time", .string(event.time.rfc3339)), .init("attempt", .integer(event.attempt)),
            .init("worker", text(event.worker)),
        ]
        switch event.kind {
        case .started(let gateway, let model):
            return [.init("event", .string("started"))] + common
                + [.init("gateway", .string(gateway)), .init("model", .string(model))]
        case .usage(let usage):
            return [.init("event", .string(usage.outcome))] + common + [
                .init("gateway", .string(usage.gateway)), .init("model", .string(usage.model)),
                .init("first_token_ms", number(usage.firstTokenMilliseconds)),
                .init("total_ms", number(usage.totalMilliseconds)),
                .init("prompt_tokens", .integer(usage.promptTokens)),
                .init("completion_tokens", .integer(usage.completionTokens)),
                .init("cost", usage.cost.map { .number($0.decimal) } ?? .null), .init("error", failure(usage.error)),
            ]
        case .moved(let state, let queue, let until, let error):
            return [.init("event", .string(state))] + common
                + [.init("queue", .string(queue)), .init("not_before", instant(until)), .init("error", failure(error))]
        case .cancelIgnored(let reason):
            return [.init("event", .string("cancel_ignored"))] + common + [.init("reason", .string(reason))]
        case .webhook(let webhook):
            return [.init("event", .string("webhook.\(webhook.state)"))] + common + [
                .init("endpoint", .string(webhook.endpoint)), .init("tries", .integer(webhook.tries)),
                .init("status", webhook.status.map { .integer($0) } ?? .null), .init("reason", text(webhook.reason)),
                .init("next", instant(webhook.next)),
            ]
        }
    }

    private static func failure(_ failure: JournalEvent.Failure?) -> JSONValue {
        failure.map {
            .object([
                .init("code", .string($0.code)), .init("stage", .string($0.stage)),
                .init("retryable", .bool($0.isRetryable)),
            ])
        } ?? .null
    }

    private static func text(_ text: String?) -> JSONValue { text.map { .string($0) } ?? .null }
    private static func instant(_ time: Timestamp?) -> JSONValue { text(time?.rfc3339) }
    private static func number(_ value: Double?) -> JSONValue {
        value.flatMap { $0.isFinite ? .number("\($0)") : nil } ?? .null
    }
}

extension JobStory {
    /// One word for where it is.
    package var state: String {
        switch place {
        case .running: "running"
        case .betweenAttempts: "between_attempts"
        case .waiting: "waiting"
        case .queued where events.isEmpty && deadLetters.contains { $0.kind == .job }: "dead"
        case .queued: "queued"
        case .ended(let outcome, _): outcome
        }
    }
}
