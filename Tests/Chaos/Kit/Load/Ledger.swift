package import AMQP
internal import ChatModel
internal import Synchronization
internal import TestSupport

/// Everything that is known of the jobs of a run, as it becomes known; tells who waits when jobs are settled. Used from
/// the threads of source and recorders.
package final class Ledger: Sendable {
    private struct State {
        var jobs: [String: JobRecord] = [:]
        /// Confirmed jobs that still owe something.
        var open: Set<String> = []
        var strangers: [String] = []
        var settled = 0
        var waiters: [UInt64: Waiter] = [:]
        var nextWaiter: UInt64 = 0
    }

    private struct Waiter {
        var jobs: Set<String>
        var continuation: CheckedContinuation<Bool, Never>
    }

    private let state = Mutex(State())
    private let started = ContinuousClock.now

    package init() {}

    /// Seconds since the run began.
    package var now: Double { (ContinuousClock.now - started) / .seconds(1) }
    /// Confirmed jobs that still wait for a terminal or a webhook.
    package var openCount: Int { state.withLock { $0.open.count } }
    package var openJobs: Set<String> { state.withLock { $0.open } }
    package var settledCount: Int { state.withLock { $0.settled } }
    package var jobs: [String: JobRecord] { state.withLock { $0.jobs } }
    package var strangers: [String] { state.withLock { $0.strangers } }

    /// A job is about to be published: whatever comes of it from now on belongs to it.
    package func add(_ job: JobRecord) { state.withLock { $0.jobs[job.id] = job } }

    package func confirm(_ id: String) {
        change { state in
            state.jobs[id]?.certainty = .confirmed
            guard let job = state.jobs[id] else { return [] }
            if Self.isSettled(job) {
                state.settled += 1
                return []
            }
            state.open.insert(id)
            return []
        }
    }

    package func record(_ delivery: Delivery) {
        let at = now
        guard let id = delivery.properties.headers.string("x-job") else {
            return stranger("a reply without x-job on \(delivery.queue)")
        }
        let reply = ReplySeen(delivery, at: at)
        change { state in
            guard var job = state.jobs.removeValue(forKey: id) else {
                state.strangers.append("a reply to \(id)")
                return []
            }
            let isKnown = job.replies.contains {
                $0.attempt == reply.attempt && $0.run == reply.run && $0.sequence == reply.sequence
            }
            // What the recorder gave back with its connection comes again, and says nothing about the worker.
            if isKnown { job.repeatedReplies += delivery.redelivered ? 0 : 1 } else { job.replies.append(reply) }
            state.jobs[id] = job
            return reply.isTerminal ? [id] : []
        }
    }

    package func record(_ webhook: WebhookSeen, of id: String) {
        change { state in
            guard state.jobs[id] != nil else {
                state.strangers.append("a webhook of \(id)")
                return []
            }
            state.jobs[id]?.webhooks.append(webhook)
            return [id]
        }
    }

    package func stranger(_ what: String) { state.withLock { $0.strangers.append(what) } }

    /// The reply queue of a customer was gone for a while: what was in it, or on the way to it, is lost.
    package func excuseReplies(to customer: String, since start: Double) {
        change { state in
            let concerned = state.jobs.values.filter {
                $0.customer == customer && ($0.lastSeenAt >= start || !Self.isSettled($0))
            }.map(\.id)
            for id in concerned { state.jobs[id]?.repliesMayBeMissing = true }
            return concerned
        }
    }

    /// Nobody waits any longer for the jobs that are open now; they are judged all the same.
    package func giveUp() -> Set<String> {
        state.withLock { state in
            defer { state.open = [] }
            return state.open
        }
    }

    /// Waits until all jobs that are confirmed by now owe nothing more; false at the deadline.
    package func untilSettled(within limit: Duration) async -> Bool {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            self.state.withLock { $0.waiters.removeValue(forKey: number) }?.continuation.resume(returning: false)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.open.isEmpty { return true }
                state.waiters[number] = Waiter(jobs: state.open, continuation: continuation)
                return false
            }
            if isDone { continuation.resume(returning: true) }
        }
    }

    /// - Parameter body: returns the jobs of which something came that may settle them.
    private func change(_ body: (inout State) -> [String]) {
        let done = state.withLock { state -> [CheckedContinuation<Bool, Never>] in
            var done: [CheckedContinuation<Bool, Never>] = []
            for id in body(&state) where state.open.contains(id) {
                guard let job = state.jobs[id], Self.isSettled(job) else { continue }
                state.open.remove(id)
                state.settled += 1
                for number in state.waiters.keys {
                    state.waiters[number]?.jobs.remove(id)
                    guard let waiter = state.waiters[number], waiter.jobs.isEmpty else { continue }
                    state.waiters[number] = nil
                    done.append(waiter.continuation)
                }
            }
            return done
        }
        for continuation in done { continuation.resume(returning: true) }
    }

    private static func isSettled(_ job: JobRecord) -> Bool {
        (job.repliesMayBeMissing || job.replies.contains(where: \.isTerminal))
            && (!job.wantsWebhook || !job.webhooks.isEmpty)
    }
}

extension ReplySeen {
    init(_ delivery: Delivery, at time: Double) {
        let headers = delivery.properties.headers
        let body = try? JSONValue(parsing: delivery.body)
        let kind: Kind =
            switch delivery.properties.type {
            case "chat.completion.chunk": .chunk
            case "chat.completion.reset": .reset
            case "chat.completion": .completion
            case "error": .error
            default: .other
            }
        self.init(
            at: time, kind: kind, attempt: headers.integer("x-attempt") ?? -1, run: headers.string("x-run") ?? "",
            sequence: headers.integer("x-seq") ?? -1, offset: headers.integer("x-offset") ?? -1,
            text: Self.text(of: body, kind) ?? "", digest: body?["job"]?["content_sha256"]?.stringValue,
            code: body?["error"]?["code"]?.stringValue)
    }

    private static func text(of body: JSONValue?, _ kind: Kind) -> String? {
        func first(_ value: JSONValue?) -> JSONValue? {
            value?["choices"]?.arrayValue?.first { ($0["index"]?.integerValue ?? 0) == 0 }
        }
        return switch kind {
        case .chunk: first(body)?["delta"]?["content"]?.stringValue
        case .completion: first(body)?["message"]?["content"]?.stringValue
        case .error: first(body?["partial"])?["message"]?["content"]?.stringValue
        case .reset, .other: nil
        }
    }
}
