internal import AMQP
internal import NIOCore
internal import Synchronization

/// Finds out whether a reply queue is still there: direct reply-to names end with their reader's connection, and a
/// customer may delete a queue of his own.
final class ReplyReaders: Sendable {
    /// How often a running job asks.
    static let interval = TimeAmount.seconds(2)

    private static let mostKnown = 100_000

    private let session: SideSession
    /// Queues that were found, and until when that is believed: many jobs may answer to one queue.
    private let found = Mutex<[String: ContinuousClock.Instant]>([:])

    init(broker: AMQPConfiguration) { session = SideSession(broker: broker, role: "readers") }

    /// Calls `gone` on `loop` where the broker says that there is no such queue. A broker that cannot be asked says
    /// nothing.
    func check(_ queue: String, on loop: any EventLoop, gone: @escaping @Sendable () -> Void) {
        guard !isKnown(queue) else { return }
        session.submit { [self] isActive in
            guard isActive, !isKnown(queue) else { return }
            do throws(AMQPError) {
                _ = try session.ask { session throws(AMQPError) in try session.inspectQueue(queue) }
                found.withLock { found in
                    if found.count >= Self.mostKnown { found = [:] }
                    found[queue] = .now + .seconds(1)
                }
            } catch {
                // 404, not found. Another customer's exclusive queue is 405, and there.
                if error.code == .channelClosed, error.replyCode == 404 { loop.execute(gone) }
            }
        }
    }

    private func isKnown(_ queue: String) -> Bool { found.withLock { $0[queue].map { $0 > .now } ?? false } }

    func shutdown() async { await session.shutdown() }
}
