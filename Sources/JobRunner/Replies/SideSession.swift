internal import AMQP
internal import NIOPosix

/// A connection and a thread of its own for what is asked of the broker now and then, beside deliveries and replies, and
/// blocks while it is answered.
///
/// Unchecked: `session` is touched on the one thread of `pool` only.
final class SideSession: @unchecked Sendable {
    private let broker: AMQPConfiguration
    private let role: String
    private let pool = NIOThreadPool(numberOfThreads: 1)
    private var session: AMQPSession?

    /// - Parameter role: what the connection's name ends with.
    init(broker: AMQPConfiguration, role: String) {
        self.broker = broker
        self.role = role
        pool.start()
    }

    /// Runs `body` on the thread, one after another. `isActive` is false once `shutdown` was called: ask nothing then.
    func submit(_ body: @escaping @Sendable (_ isActive: Bool) -> Void) {
        pool.submit { state in body(state == .active) }
    }

    /// Asks the broker something; on the thread only. An idle session misses its heartbeats: then a fresh one asks again.
    ///
    /// - Throws: `channelClosed` is the broker's answer; anything else means that it cannot be asked.
    func ask<Answer>(
        _ question: (AMQPSession) throws(AMQPError) -> Answer
    ) throws(AMQPError) -> Answer {
        do throws(AMQPError) {
            if let session { return try question(session) }
        } catch {
            if error.code == .channelClosed { throw error }
            session = nil
        }
        let fresh = try AMQPSession(configuration: broker, role: role)
        session = fresh
        return try question(fresh)
    }

    func shutdown() async { try? await pool.shutdownGracefully() }
}
