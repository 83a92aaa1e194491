import FoundationEssentials
import Logging
import NIOCore
import NIOSSL

/// What one event loop holds of a gateway: its idle connections by model, and all that are open. Bound to that loop.
final class GatewayLoop {
    let eventLoop: any EventLoop
    let configuration: GatewayConfiguration
    let patience: GatewayStreamMachine.Patience
    let tls: NIOSSLContext?
    /// For SNI and verification; `nil` for an address, which is verified as such and never sent as SNI (RFC 6066).
    let serverName: String?
    let metrics: GatewayMetrics
    let keys: GatewayKeys
    let habits: GatewayHabits
    let shapes: GatewayShapes
    var filler: PoolFiller
    /// Those who wait until what is opened ahead has been.
    var whenWarm: [EventLoopPromise<Void>] = []
    private let budget: IdleBudget
    private let logger: Logger
    private var pool: IdlePool<any GatewayConnection>
    private var connections: [ObjectIdentifier: any GatewayConnection] = [:]
    private var sessions: [HTTP2Session] = []
    var openings = OpeningQueue()
    /// The gateway may speak HTTP/2: it has done so last, or no handshake has told yet.
    var mayShareConnections: Bool
    private var isShutDown = false
    private var allClosed: EventLoopPromise<Void>?
    private lazy var timer = LoopTimer(loop: eventLoop) { [weak self] in self?.expire() }

    init(
        eventLoop: any EventLoop, configuration: GatewayConfiguration, tls: NIOSSLContext?, metrics: GatewayMetrics,
        keys: GatewayKeys, habits: GatewayHabits = GatewayHabits(), shapes: GatewayShapes, budget: IdleBudget,
        logger: Logger
    ) {
        self.eventLoop = eventLoop
        self.configuration = configuration
        self.tls = tls
        mayShareConnections = configuration.transport == .sse && tls != nil
        self.metrics = metrics
        self.keys = keys
        self.habits = habits
        self.shapes = shapes
        filler = PoolFiller(minimum: configuration.minimumIdle)
        self.budget = budget
        self.logger = logger
        let host = configuration.endpoint.host
        serverName = (try? SocketAddress(ipAddress: host, port: 0)) == nil ? host : nil
        patience = .init(
            connect: TimeAmount(bounded: configuration.connectTimeout),
            firstChunk: TimeAmount(bounded: configuration.firstChunkTimeout),
            idle: TimeAmount(bounded: configuration.idleTimeout),
            endGrace: TimeAmount(bounded: configuration.endGrace),
            bodyEnd: TimeAmount(bounded: configuration.bodyEndTimeout))
        pool = IdlePool(
            keepIdle: TimeAmount(bounded: configuration.keepIdle),
            maximumAge: TimeAmount(bounded: configuration.maximumAge), minimum: configuration.minimumIdle,
            ping: configuration.transport == .websocket ? Self.ping(configuration) : nil)
    }

    var acceptsStreams: Bool { !isShutDown }

    /// A request has failed: where somebody has to act, he is told, but not for each.
    func alert(of failure: GatewayFailure, model: String) {
        guard let cause = failure.alertCause(model: model) else { return }
        let now = Int64(Date().timeIntervalSince1970)
        guard metrics.withAlerts({ $0.met(cause, model: model, now: now) }) else { return }
        logger.error(
            "\(cause.advice)",
            metadata: [
                "gateway": "\(configuration.name)", "gateway.model": "\(model)", "cause": "\(cause.name)",
                "status": "\(failure.status.map { "\($0)" } ?? "")",
            ])
    }

    /// How often idle connections are pinged, and how long they may take to answer; `nil`: never.
    static func ping(_ configuration: GatewayConfiguration) -> (after: TimeAmount, patience: TimeAmount)? {
        guard configuration.pingInterval > .zero else { return nil }
        return (
            TimeAmount(bounded: configuration.pingInterval), TimeAmount(bounded: configuration.pongTimeout)
        )
    }

    /// Under which name idle connections are kept that a request can use.
    func poolKey(model: String, key: Int) -> String {
        guard configuration.transport == .websocket else { return EventStreamConnection.sharedPoolKey }
        return keys.isSeveral ? "\(key) \(model)" : model
    }

    /// An idle connection for a stream of this model, attached to it.
    func takeIdle(for stream: GatewayStream, model: String, now: NIODeadline) -> (any GatewayConnection)? {
        let key = poolKey(model: model, key: stream.key)
        defer {
            if filler.minimum > 0 {
                filler.used(key)
                // Not before the request is on its way.
                eventLoop.assumeIsolated().execute { self.refill() }
            }
        }
        while let connection = pool.take(model: key, now: now) {
            budget.give(key)
            if connection.attach(stream) {
                metrics.connectionsReused.add(1, ordering: .relaxed)
                return connection
            }
            connection.abort()
        }
        return takeSession(for: stream, now: now)
    }

    func makeConnection(
        for stream: GatewayStream?, model: String, key: Int, now: NIODeadline
    ) -> any GatewayConnection {
        let connection: any GatewayConnection =
            switch configuration.transport {
            case .websocket: WebSocketConnection(owner: self, model: model, key: key, stream: stream, now: now)
            case .sse: EventStreamConnection(owner: self, key: key, stream: stream, now: now)
            }
        connections[ObjectIdentifier(connection)] = connection
        openings.began(connection)
        return connection
    }

    /// Keeps a connection for the next request. `false`: it is too old, or enough are idle; close it.
    func keep(_ connection: some GatewayConnection) -> Bool {
        let key = connection.poolKey
        guard !isShutDown, budget.take(key) else { return false }
        guard pool.put(connection, model: key, openedAt: connection.openedAt, now: .now()) else {
            budget.give(key)
            return false
        }
        setTimer()
        return true
    }

    /// An idle connection is not to be used any more.
    func dropIdle(_ connection: some GatewayConnection) {
        let key = connection.poolKey
        guard pool.remove(model: key, where: { $0 === connection }) else { return }
        budget.give(key)
        guard filler.minimum > 0 else { return }
        filler.died(key, openedAt: connection.openedAt, now: .now())
        eventLoop.assumeIsolated().execute { self.refill() }
    }

    func connectionOpened() {
        metrics.connectionsOpened.add(1, ordering: .relaxed)
        metrics.connectionsLive.add(1, ordering: .relaxed)
    }

    func connectionClosed() { metrics.connectionsLive.subtract(1, ordering: .relaxed) }

    func countUnexpectedData() {
        metrics.unexpectedData.add(1, ordering: .relaxed)
        logger.warning(
            "gateway sent data on an idle connection, which is closed", metadata: ["gateway": "\(configuration.name)"])
    }

    func countLateFrame() {
        let total = metrics.lateFramesDropped.add(1, ordering: .relaxed).newValue
        guard total.nonzeroBitCount == 1 else { return }
        logger.warning(
            "gateway sent a frame of an earlier answer, which is dropped",
            metadata: ["gateway": "\(configuration.name)", "total": "\(total)"])
    }

    /// The connection is closed for good.
    func forget(_ connection: some GatewayConnection) {
        openingEnded(connection, cameAbout: false)
        dropIdle(connection)
        connections[ObjectIdentifier(connection)] = nil
        if connections.isEmpty, sessions.isEmpty { allClosed?.succeed() }
    }

    /// Closes what is idle (1000) and ends what is live (1001); done when the last connection is closed.
    func shutDown() -> EventLoopFuture<Void> {
        if let allClosed { return allClosed.futureResult }
        isShutDown = true
        timer.invalidate()
        let promise = eventLoop.makePromise(of: Void.self)
        allClosed = promise
        endWaiters()
        for connection in pool.removeAll() {
            budget.give(connection.poolKey)
            connection.retire()
        }
        for connection in connections.values {
            connection.stream?.shutDown()
            if connection.whenSetUp != nil { connection.setUpFailed(.shutDown(.connect)) }
        }
        for session in sessions { session.close() }
        if connections.isEmpty, sessions.isEmpty { promise.succeed() }
        return promise.futureResult
    }

    // MARK: HTTP/2

    /// One that takes another stream now.
    func session(now: NIODeadline) -> HTTP2Session? { sessions.first { $0.takesStream(now: now) } }

    /// - Parameter whenSettled: see `HTTP2Session`.
    func addSession(
        on channel: any Channel, openedAt: NIODeadline, whenSettled: @escaping (_ cameAbout: Bool) -> Void
    ) throws -> HTTP2Session {
        let session = try HTTP2Session(
            owner: self, channel: channel, openedAt: openedAt, whenSettled: whenSettled)
        sessions.append(session)
        connectionOpened()
        return session
    }

    /// Keeps a session without streams. `false`: enough connections are idle, close it.
    func keepSession() -> Bool { !isShutDown && budget.take(EventStreamConnection.sharedPoolKey) }

    func endIdlenessOfSession() { budget.give(EventStreamConnection.sharedPoolKey) }

    /// The session is closed for good.
    func forget(_ session: HTTP2Session) {
        sessions.removeAll { $0 === session }
        connectionClosed()
        if filler.minimum > 0, !isShutDown {
            filler.died(EventStreamConnection.sharedPoolKey, openedAt: session.openedAt, now: .now())
            eventLoop.assumeIsolated().execute { self.refill() }
        }
        if connections.isEmpty, sessions.isEmpty { allClosed?.succeed() }
    }

    private func takeSession(for stream: GatewayStream, now: NIODeadline) -> (any GatewayConnection)? {
        guard let session = session(now: now) else { return nil }
        let connection = EventStreamConnection(owner: self, key: stream.key, stream: stream, now: now)
        connections[ObjectIdentifier(connection)] = connection
        connection.attachToSession()
        session.open(connection)
        metrics.connectionsReused.add(1, ordering: .relaxed)
        return connection
    }

    // MARK: -

    private func expire() {
        let now = NIODeadline.now()
        for connection in pool.silent(now: now) {
            budget.give(connection.poolKey)
            countSilence()
            connection.abort()
        }
        for connection in pool.expire(now: now) {
            budget.give(connection.poolKey)
            connection.retire()
        }
        for connection in pool.pings(now: now) { connection.ping() }
        setTimer()
        refill()
    }

    func setTimer() {
        let refill = filler.minimum > 0 ? filler.nextDeadline(now: .now()) : nil
        timer.set([pool.nextDeadline, refill].compactMap { $0 }.min())
    }

    func ponged(_ connection: some GatewayConnection) {
        pool.ponged(model: connection.poolKey, now: .now()) { $0 === connection }
        setTimer()
    }

    func countSilence() { metrics.silentConnectionsClosed.add(1, ordering: .relaxed) }

    /// Connections that a request could have at once; one HTTP/2 session serves as many as are wanted.
    func idleCount(_ poolKey: String) -> Int { sessions.isEmpty ? pool.count(of: poolKey) : filler.minimum }
}
