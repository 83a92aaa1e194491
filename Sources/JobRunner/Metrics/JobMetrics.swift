package import ChatModel
internal import Synchronization

/// What is counted of jobs, webhook tries and confirms. All of it when something ends, nothing for a token. Any thread.
package final class JobMetrics: Sendable {
    /// A job that failed, without a word of what it said. In memory only.
    package struct Failure: Sendable, Equatable {
        package var at: Timestamp
        package var job: String
        package var customer: String
        package var gateway: String
        package var model: String
        package var code: String
        package var stage: String
    }

    /// From the first try to the end, of jobs that got an answer or failed, in seconds.
    package let duration = Histogram(bounds: Histogram.Bounds.operation)
    /// From the request to the first output, in seconds.
    package let firstChunk = Histogram(bounds: Histogram.Bounds.firstChunk)
    /// Between two chunks of output, the mean of one answer, in seconds.
    package let perChunk = Histogram(bounds: Histogram.Bounds.perChunk)
    /// From the backend's publish (where it has a timestamp), or else the delivery, to the first try, in seconds.
    package let queued = Histogram(bounds: Histogram.Bounds.messaging)
    /// Seconds from handing a message that must arrive to the broker until it confirmed it.
    package let confirm = Histogram(bounds: Histogram.Bounds.messaging)
    /// One webhook try, in seconds.
    package let webhook = Histogram(bounds: Histogram.Bounds.messaging)
    /// Tokens of the request, and of the answer, of one attempt.
    package let inputTokens = Histogram(bounds: Histogram.Bounds.tokens)
    package let outputTokens = Histogram(bounds: Histogram.Bounds.tokens)
    package let tries = Count()
    /// Tries after the first.
    package let retries = Count()
    /// Chunks of output that gateways sent, of answers that have ended.
    package let chunks = Count()
    /// Replies and other messages that were given up because the broker closes the connection over them.
    package let undeliverable = Count()
    package let failuresByCode = NamedCounts()
    package let webhooksByOutcome = NamedCounts()

    /// So many failures are kept.
    private static let kept = 50
    private let failures = Mutex<[Failure]>([])

    package init() {}

    /// The latest first.
    package var recentFailures: [Failure] { failures.withLock { $0.reversed() } }

    /// An attempt ended, of which something was used.
    func charged(_ usage: TokenUsage) {
        guard usage.totalTokens > 0 else { return }
        inputTokens.record(Double(usage.promptTokens))
        outputTokens.record(Double(usage.completionTokens))
    }

    /// A job's execution ended in this worker, however it did.
    func ended(_ summary: JobLogLine.Summary, chunks count: Int, at now: Timestamp) {
        let timings = summary.timings
        tries.add(summary.tries)
        retries.add(max(0, summary.tries - 1))
        chunks.add(count)
        if timings.firstOutput > timings.asked, timings.asked > 0 {
            firstChunk.record(nanoseconds: timings.firstOutput - timings.asked)
            if count > 1, timings.ended > timings.firstOutput {
                perChunk.record(nanoseconds: (timings.ended - timings.firstOutput) / UInt64(count - 1))
            }
        }
        guard let outcome = summary.outcome else { return }
        if timings.begun > 0 {
            if timings.ended > timings.begun { duration.record(nanoseconds: timings.ended - timings.begun) }
            let waited = timings.begun > timings.received ? timings.begun - timings.received : 0
            queued.record(
                nanoseconds: UInt64(clamping: timings.queuedBefore).multipliedClamping(by: 1_000_000) &+ waited)
        }
        guard case .failed(let failure) = outcome else { return }
        failuresByCode.add(failure.code)
        let record = Failure(
            at: now, job: summary.job.id, customer: summary.job.customer, gateway: summary.job.route.gateway,
            model: summary.job.route.upstreamModel, code: failure.code, stage: failure.stage.rawValue)
        failures.withLock { failures in
            if failures.count >= Self.kept { failures.removeFirst() }
            failures.append(record)
        }
    }
}

extension UInt64 {
    fileprivate func multipliedClamping(by factor: UInt64) -> UInt64 {
        let (product, overflows) = multipliedReportingOverflow(by: factor)
        return overflows ? .max / 2 : product
    }
}
