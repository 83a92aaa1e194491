internal import Synchronization

/// How long a consumer may believe that its deliveries are still its own.
///
/// A broker that has heard nothing from a client at two checks, which it makes once a heartbeat, closes the connection
/// and gives the deliveries to somebody else (RabbitMQ's `rabbit_heartbeat`: between two and three heartbeats). On a
/// half-open link the client cannot know, and what it reads proves nothing: it may be old, above all after the process
/// itself stood still. So a consumer asks its channel four times a heartbeat (`channel.flow`, which is answered at once),
/// and an answer counts from the moment of its question. Whoever has no answer to a question of the last one and a quarter
/// heartbeats takes its deliveries as doubtful: three quarters of a heartbeat before the broker can give them away.
public final class DeliveryLease: Sendable {
    /// How often a consumer asks.
    static let questionsPerHeartbeat: UInt64 = 4

    /// The connection whose deliveries it is about.
    private let current = Atomic<UInt64>(0)
    /// Monotonic nanoseconds; 0: no connection.
    private let heard = Atomic<UInt64>(0)
    private let term = Atomic<UInt64>(0)

    public init() {}

    /// Whether there is a connection whose deliveries are surely this consumer's. From any thread: two loads and a look at
    /// the clock.
    public var isValid: Bool { isValid(now: Monotonic.now()) }

    /// The connection that was opened last; also while it is silent, or lost.
    public var generation: UInt64 { current.load(ordering: .acquiring) }

    /// Whether the deliveries of this connection (`DeliveryTag.generation`) are surely this consumer's.
    public func isValid(for generation: UInt64) -> Bool { self.generation == generation && isValid }

    /// Whether that connection is lost: its deliveries are somebody else's, or will be.
    public func isOver(for generation: UInt64) -> Bool {
        self.generation != generation || heard.load(ordering: .acquiring) == 0
    }

    func isValid(now: UInt64) -> Bool {
        let heard = heard.load(ordering: .acquiring)
        // Heard a moment later than the caller looked at the clock.
        return heard != 0 && (now < heard || now - heard < term.load(ordering: .relaxed))
    }

    /// - Parameters:
    ///   - heartbeat: as agreed with the broker; nanoseconds.
    ///   - now: when the broker was asked for the connection.
    func begin(generation: UInt64, heartbeat: UInt64, now: UInt64) {
        current.store(generation, ordering: .releasing)
        term.store(heartbeat / 4 * 5, ordering: .relaxed)
        renew(now: now)
    }

    /// The broker has answered what it was asked at this time.
    func renew(now: UInt64) { heard.store(max(1, now), ordering: .releasing) }

    func end() { heard.store(0, ordering: .releasing) }
}
