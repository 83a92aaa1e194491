import ChatModel
import JobRunner
import WorkerService

/// The story of a job for people.
enum ExplainText {
    static func story(_ story: JobStory, now: Timestamp) -> String {
        var lines = ["job \(story.job) of \(printable(story.customer)): \(place(story, now: now))"]
        if let time = story.queuedAt { lines.append("  \(time.rfc3339)  published (to the second)") }
        for event in story.events {
            lines.append("  \(event.time.rfc3339)  \(printable(text(event, isReplayed: story.lives > 1)))")
        }
        lines += webhook(story, now: now)
        if let cost = story.cost { lines.append("  cost: \(short(cost)) USD") }
        if story.lives > 1 {
            lines.append("  its message was delivered, moved or replayed: \(story.lives) lives asked a gateway")
        }
        for letter in story.deadLetters {
            lines.append("  dead letter: \(printable(DeadLetterText.name(letter)))")
            let kind = letter.kind == .webhook ? " --kind webhook" : " --kind job"
            lines.append("    why:    chat-worker dead show \(story.job)")
            lines.append("    replay: chat-worker dead replay \(story.job) --customer \(story.customer)\(kind)")
        }
        return lines.joined(separator: "\n")
    }

    /// What can be said of a job that left no trace.
    static func unknown(_ job: String, since: Timestamp?, _ history: JobHistory) -> String {
        var lines = [
            "nothing is known of a job \(job): no worker has asked a gateway for it"
                + (since.map { " since \($0.rfc3339)" } ?? "") + ", and it is no dead letter."
        ]
        if let oldest = history.reachesBackTo {
            lines.append(
                "The journal reaches back to \(oldest.rfc3339)"
                    + (since.map { $0 > oldest ? ": --since all reads the rest." : "." } ?? "."))
        } else {
            lines.append("The journal is empty.")
        }
        lines.append("It may wait in a queue still (which cannot be looked into without harm), or never have come:")
        lines += queues(history.queues)
        return lines.joined(separator: "\n")
    }

    static func queues(_ queues: [JobHistory.QueueLength]) -> [String] {
        queues.map { "  \($0.name): \($0.messages) waiting, \($0.consumers) consumers" }
    }

    private static func place(_ story: JobStory, now: Timestamp) -> String {
        switch story.place {
        case .running(let worker, let since):
            "running at \(worker ?? "a worker") for \(age(since, now)) (or its worker has just died)"
        case .betweenAttempts(let worker): "between two attempts at \(worker ?? "a worker")"
        case .waiting(let queue, let until):
            "waiting in \(queue)" + (until.map { $0 > now ? ", \(age(now, $0)) to go" : ", due" } ?? "")
        case .queued where story.state == "dead": "dead"
        case .queued(let queue): "waiting to be taken" + (queue.map { ", in \($0)" } ?? "; no worker has it")
        case .ended("dead", let time): "dead since \(time.rfc3339)"
        case .ended(let outcome, let time): "\(outcome) at \(time.rfc3339)"
        }
    }

    private static func text(_ event: JournalEvent, isReplayed: Bool) -> String {
        let attempt = "attempt \(event.attempt)"
        switch event.kind {
        case .started(let gateway, let model):
            return "\(attempt) asks \(gateway) for \(model)" + at(event.worker)
        case .usage(let usage): return "\(attempt) \(self.usage(usage))"
        case .moved(let state, let queue, let until, let error):
            let why = error.map { ": \($0.code) (\($0.stage))" } ?? ""
            switch state {
            case "parked": return "waits in \(queue)" + (until.map { " until \($0.rfc3339)" } ?? "") + at(event.worker)
            case "handed_back": return "handed back to \(queue)" + at(event.worker)
            case "set_apart": return "set apart in \(queue), to be tried with few others or alone" + at(event.worker)
            default: return "dead letter in \(queue)\(why)"
            }
        case .cancelIgnored(let reason): return "a cancel is ignored: \(reason)" + at(event.worker)
        case .webhook(let webhook):
            let what = webhook.status.map { "status \($0)" } ?? webhook.reason ?? "no answer"
            let to = webhook.endpoint.isEmpty ? "" : " to \(webhook.endpoint)"
            switch webhook.state {
            case "delivered": return "webhook\(to) accepted at try \(webhook.tries)"
            case "retrying":
                return "webhook\(to): try \(webhook.tries) failed (\(what))"
                    + (webhook.next.map { ", next at \($0.rfc3339)" } ?? "")
            default: return "webhook\(to) given up after \(webhook.tries) tries: \(webhook.reason ?? what)"
            }
        }
    }

    private static func usage(_ usage: JournalEvent.Usage) -> String {
        var text = usage.outcome
        if let error = usage.error { text += ": \(error.code) (\(error.stage))" }
        var facts: [String] = []
        if let first = usage.firstTokenMilliseconds { facts.append("first token after \(milliseconds(first))") }
        if usage.isLast, let total = usage.totalMilliseconds { facts.append("\(milliseconds(total)) in all") }
        if usage.completionTokens > 0 {
            facts.append("\(usage.isEstimated ? "about " : "")\(usage.completionTokens) tokens")
        }
        if let cost = usage.cost, cost > .zero { facts.append("\(short(cost)) USD") }
        return facts.isEmpty ? text : text + ", " + facts.joined(separator: ", ")
    }

    private static func webhook(_ story: JobStory, now: Timestamp) -> [String] {
        switch story.webhook {
        case .none, .delivered, .dead: []
        case .queued: ["  webhook: queued, no try is known"]
        case .retrying(let next):
            ["  webhook: waits to be tried again" + (next.map { $0 > now ? ", \(age(now, $0)) to go" : ", due" } ?? "")]
        }
    }

    private static func at(_ worker: String?) -> String { worker.map { " (at \($0))" } ?? "" }

    private static func milliseconds(_ value: Double) -> String {
        value >= 10_000 ? "\(Int64(clampedTo: value / 1_000)) s" : "\(Int64(clampedTo: max(value, 0))) ms"
    }

    private static func age(_ from: Timestamp, _ to: Timestamp) -> String {
        let seconds = max(0, to.milliseconds - from.milliseconds) / 1_000
        switch seconds {
        case ..<120: return "\(seconds) s"
        case ..<7_200: return "\(seconds / 60) min"
        default: return "\(seconds / 3_600) h"
        }
    }

    /// Without the zeros at its end.
    private static func short(_ cost: Money) -> String {
        var text = cost.decimal[...]
        while text.hasSuffix("0"), !text.hasSuffix(".0") { text = text.dropLast() }
        return String(text)
    }
}
