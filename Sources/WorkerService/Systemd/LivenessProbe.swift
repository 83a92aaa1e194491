public import NIOCore
import Synchronization

/// What makes systemd's watchdog mean something: a worker is alive while each of its event loops answers between two
/// signs of life, and the threads of its broker connections turn. Any thread.
public final class LivenessProbe: Sendable {
    private let loops: [any EventLoop]
    private let othersTurn: @Sendable () -> Bool
    private let heartbeats: Mutex<Heartbeats>

    /// - Parameters:
    ///   - limit: a loop that has not answered for so long is stuck.
    ///   - othersTurn: whether all threads besides are well.
    public init(group: any EventLoopGroup, limit: Duration, othersTurn: @escaping @Sendable () -> Bool = { true }) {
        loops = Array(group.makeIterator())
        self.othersTurn = othersTurn
        heartbeats = Mutex(Heartbeats(count: loops.count, limit: limit))
    }

    /// Judges by the answers so far, and asks again. To be called before each sign of life.
    public func isAlive(now: ContinuousClock.Instant = .now) -> Bool {
        let (isSilent, asked) = heartbeats.withLock { (!$0.silent(at: now).isEmpty, $0.ask(at: now)) }
        for index in asked {
            loops[index].execute { self.heartbeats.withLock { $0.answered(index) } }
        }
        return !isSilent && othersTurn()
    }
}
