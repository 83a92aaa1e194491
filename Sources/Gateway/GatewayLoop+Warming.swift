import NIOCore

/// Connections that are opened before there is a job for them: for the pool, and to see whether a gateway lets one in.
extension GatewayLoop {
    /// Opens what the pool lacks, as often as it does.
    func refill() {
        guard acceptsStreams, filler.minimum > 0 else { return }
        let now = NIODeadline.now()
        for kind in warmKinds {
            let idle = idleCount(kind.poolKey)
            for _ in 0..<filler.missing(kind.poolKey, idle: idle, now: now) { openAhead(kind) }
        }
        setTimer()
    }

    /// Opens what the pool lacks; done when all of it has come about, or failed.
    func warmUp() -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        whenWarm.append(promise)
        refill()
        tellWarm()
        return promise.futureResult
    }

    private func tellWarm() {
        guard filler.openings == 0 else { return }
        for promise in whenWarm { promise.succeed() }
        whenWarm = []
    }

    /// What is kept warm: for a WebSocket every model with every key; over HTTP any connection will do.
    var warmKinds: [WarmKind] {
        guard configuration.transport == .websocket else {
            return [WarmKind(model: "", key: 0, poolKey: EventStreamConnection.sharedPoolKey)]
        }
        return configuration.warmModels.flatMap { model in
            keys.good(for: model).map { WarmKind(model: model, key: $0, poolKey: poolKey(model: model, key: $0)) }
        }
    }

    struct WarmKind {
        var model: String
        var key: Int
        var poolKey: String
    }

    private func openAhead(_ kind: WarmKind) {
        filler.began(kind.poolKey)
        connectAlone(model: kind.model, key: kind.key) { [weak self] connection, failure in
            guard let self else { return }
            if let failure {
                if failure.isKeyRefusal { keys.refused(kind.key, failure, model: kind.model) }
                filler.failed(kind.poolKey, now: .now())
                setTimer()
            } else {
                filler.opened(kind.poolKey)
                metrics.connectionsOpenedAhead.add(1, ordering: .relaxed)
                // An HTTP/2 connection has made itself known as a session.
                if let connection, !keep(connection) { connection.retire() }
            }
            tellWarm()
        }
    }

    /// Opens a connection that no stream waits for.
    ///
    /// - Parameter whenSetUp: called once; with a connection, a failure, or neither where it became an HTTP/2 session.
    func connectAlone(
        model: String, key: Int, whenSetUp: @escaping ((any GatewayConnection)?, GatewayFailure?) -> Void
    ) {
        let connection = makeConnection(for: nil, model: model, key: key, now: .now())
        let limit = eventLoop.assumeIsolated().scheduleTask(in: patience.connect) { [weak connection] in
            connection?.setUpFailed(connection?.pendingRefusal ?? .timedOut(.connect))
        }
        connection.whenSetUp = { connection, failure in
            limit.cancel()
            whenSetUp(connection, failure)
        }
        connection.connect(trace: nil)
    }
}
