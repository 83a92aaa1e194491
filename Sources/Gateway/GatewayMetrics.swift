public import Synchronization

/// Counts of one gateway client since its start. Any thread may read.
public final class GatewayMetrics: Sendable {
    /// Connections that were set up, up to the upgrade for a WebSocket.
    public let connectionsOpened = Atomic<Int>(0)
    /// Connections open now, idle ones included.
    public let connectionsLive = Atomic<Int>(0)
    /// Requests sent on a connection that had carried another before.
    public let connectionsReused = Atomic<Int>(0)
    /// Requests sent again, because the reused connection turned out to be dead.
    public let deadConnectionsReplaced = Atomic<Int>(0)
    /// Connections opened before there was a request for them.
    public let connectionsOpenedAhead = Atomic<Int>(0)
    /// Idle connections closed because no answer to a ping came.
    public let silentConnectionsClosed = Atomic<Int>(0)
    /// Idle connections closed because the gateway sent something that nobody had asked for.
    public let unexpectedData = Atomic<Int>(0)
    /// Frames of an earlier answer, dropped.
    public let lateFramesDropped = Atomic<Int>(0)
    public let streamsStarted = Atomic<Int>(0)
    public let streamsCompleted = Atomic<Int>(0)
    public let streamsCancelled = Atomic<Int>(0)

    private let failures = Mutex<[String: Int]>([:])
    private let book = Mutex(AlertBook())

    init() {}

    /// Failed streams, by `GatewayFailure.code`.
    public var failuresByCode: [String: Int] { failures.withLock { $0 } }

    /// What somebody has to do something about, as far as no answer says that it is over.
    public var alerts: [GatewayAlert] { book.withLock { $0.active } }

    func withAlerts<Result>(_ body: (inout AlertBook) -> Result) -> Result { book.withLock { body(&$0) } }

    func count(_ end: GatewayStreamEnd) {
        switch end {
        case .complete: streamsCompleted.add(1, ordering: .relaxed)
        case .cancelled: streamsCancelled.add(1, ordering: .relaxed)
        case .failed(let failure): failures.withLock { $0[failure.code, default: 0] += 1 }
        }
    }
}
