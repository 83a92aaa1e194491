import Synchronization
import Webhooks

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// Judges what a webhook receiver gets, counts and keeps it. Used from every event loop.
final class WebhookDesk: Sendable {
    private struct State {
        var received: [ReceivedWebhook] = []
        var attempts: [String: Int] = [:]
        var count = 0
    }

    let options: WebhookReceiver.Options
    private let state = Mutex(State())
    private let verifier: WebhookVerifier
    private let deliveries: AsyncStream<ReceivedWebhook>.Continuation

    init(options: WebhookReceiver.Options, deliveries: AsyncStream<ReceivedWebhook>.Continuation) {
        self.options = options
        self.verifier = WebhookVerifier(secrets: options.secrets, tolerance: options.tolerance)
        self.deliveries = deliveries
    }

    var received: [ReceivedWebhook] { state.withLock { $0.received } }

    /// Judges a request and decides its answer. `publish` follows just before the answer is written.
    func judge(path: String, headers: [ReceivedWebhook.Header], body: [UInt8]) -> ReceivedWebhook {
        let now = Self.nanosecondsSince1970()
        var delivery = ReceivedWebhook(
            receivedAt: now, path: path, headers: headers, body: body, verification: .unchecked, attempt: 0, status: 0)
        delivery.verification = verify(delivery, now: now / 1_000_000_000)
        let (attempt, ordinal) = state.withLock { state in
            state.count += 1
            state.attempts[delivery.id ?? "", default: 0] += 1
            return (state.attempts[delivery.id ?? "", default: 0], state.count)
        }
        delivery.attempt = attempt
        delivery.status = status(for: delivery, ordinal: ordinal)
        return delivery
    }

    func publish(_ delivery: ReceivedWebhook) {
        if options.recordsDeliveries {
            state.withLock { $0.received.append(delivery) }
        }
        deliveries.yield(delivery)
    }

    func close() {
        deliveries.finish()
    }

    private func verify(_ delivery: ReceivedWebhook, now: Int64) -> ReceivedWebhook.Verification {
        guard !options.secrets.isEmpty else { return .unchecked }
        do throws(WebhookVerifier.Failure) {
            try verifier.verify(headers: { delivery.header($0) }, body: delivery.body, now: now)
            return .verified
        } catch {
            switch error {
            case .missingHeader(let name): return .failed("no header \(name)")
            case .badTimestamp: return .failed("the timestamp is not a number")
            case .timestampOutOfTolerance: return .failed("the timestamp is too old or too new")
            case .noMatchingSignature: return .failed("no signature matches")
            }
        }
    }

    private func status(for delivery: ReceivedWebhook, ordinal: Int) -> Int {
        if ordinal <= options.failFirst { return options.failStatus }
        if case .failed = delivery.verification { return 401 }
        return options.status
    }

    private static func nanosecondsSince1970() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
