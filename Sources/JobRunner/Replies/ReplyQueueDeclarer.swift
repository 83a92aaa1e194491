internal import AMQP
internal import Logging
internal import NIOCore
internal import Synchronization

/// What the worker declares for a customer's reply queue before it answers there.
public struct ReplyQueuePlan: Sendable, Equatable {
    public enum Kind: Sendable { case classic, stream }

    public var kind: Kind
    /// A classic queue goes after so long without use; a stream keeps messages so long.
    public var expires: Duration
    /// Messages, of a classic queue.
    public var maximumLength: Int
    public var maximumLengthBytes: Int

    public init(kind: Kind, expires: Duration, maximumLength: Int, maximumLengthBytes: Int) {
        self.kind = kind
        self.expires = expires
        self.maximumLength = maximumLength
        self.maximumLengthBytes = maximumLengthBytes
    }

    var arguments: FieldTable {
        switch kind {
        case .classic:
            [
                "x-expires": .int(max(1, expires.components.seconds) * 1_000),
                "x-max-length": .int(Int64(maximumLength)), "x-max-length-bytes": .int(Int64(maximumLengthBytes)),
            ]
        case .stream:
            [
                "x-queue-type": .string("stream"), "x-max-age": .string("\(max(1, expires.components.seconds))s"),
                "x-max-length-bytes": .int(Int64(maximumLengthBytes)),
                "x-stream-max-segment-size-bytes": .int(4 << 20),
            ]
        }
    }
}

/// Declares customers' reply queues, each once in a while. Only the first job of a customer waits for it.
final class ReplyQueueDeclarer: Sendable {
    private let plan: ReplyQueuePlan
    private let logger: Logger
    private let session: SideSession
    /// Queues that were declared, and until when that is believed (a classic queue may expire).
    private let known = Mutex<[String: ContinuousClock.Instant]>([:])

    private static let mostKnown = 100_000

    init(plan: ReplyQueuePlan, broker: AMQPConfiguration, logger: Logger) {
        self.plan = plan
        self.logger = logger
        session = SideSession(broker: broker, role: "replies")
    }

    func isKnown(_ queue: String) -> Bool { known.withLock { $0[queue].map { $0 > .now } ?? false } }

    /// Calls `done` on `loop`, also where the broker refuses: the job's end then tells that the queue is missing.
    func declare(_ queue: String, on loop: any EventLoop, done: @escaping @Sendable () -> Void) {
        session.submit { isActive in
            if isActive, !self.isKnown(queue) { self.declare(queue) }
            loop.execute(done)
        }
    }

    func shutdown() async { await session.shutdown() }

    private func remember(_ queue: String) {
        known.withLock { known in
            if known.count >= Self.mostKnown { known = [:] }
            known[queue] = .now + plan.expires / 2
        }
    }

    private func declare(_ queue: String) {
        do throws(AMQPError) {
            let arguments = plan.arguments
            _ = try session.ask { session throws(AMQPError) in
                try session.declareQueue(queue, durable: true, arguments: arguments)
            }
            remember(queue)
        } catch {
            // Somebody has declared it otherwise: it is there, and not asked for again in the next minute.
            if error.code == .channelClosed { known.withLock { $0[queue] = .now + .seconds(60) } }
            logger.warning(
                "reply queue cannot be declared", metadata: [LogKey.queue: "\(queue)", LogKey.error: "\(error)"])
        }
    }
}
