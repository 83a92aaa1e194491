public import Logging
public import NIOCore
import NIOSSL
import Synchronization

/// Speaks to one model gateway, over WebSockets or HTTP: opens connections, keeps them for the next job, and keeps
/// answers apart. May be used from any event loop; each keeps connections of its own, so that a stream never
/// changes threads.
public final class GatewayClient: Sendable {
    public let configuration: GatewayConfiguration
    public let metrics = GatewayMetrics()
    private let logger: Logger
    private let tls: NIOSSLContext?
    private let budget: IdleBudget
    private let keys: GatewayKeys
    private let habits = GatewayHabits()
    private let shapes: GatewayShapes
    private let loops = Mutex<[ObjectIdentifier: NIOLoopBound<GatewayLoop>]>([:])
    private let isShutDown = Atomic<Bool>(false)

    /// Loads the TLS context, once for all connections: TLS 1.2 at least, full verification.
    ///
    /// - Throws: `GatewayConfigurationError` where a value cannot be sent safely, `NIOSSLError` where the CA file cannot
    ///   be read, `GatewayClientCertificate.Problem`.
    public init(configuration: GatewayConfiguration, logger: Logger) throws {
        WebSocketUpgradeHandler.prepare()
        try GatewayConfigurationError.check(configuration)
        self.configuration = configuration
        self.logger = logger
        keys = GatewayKeys(configuration, logger: logger)
        shapes = GatewayShapes(gateway: configuration.name, logger: logger)
        budget = IdleBudget(maximum: configuration.maximumIdle)
        guard configuration.endpoint.isSecure else {
            tls = nil
            return
        }
        var settings = TLSConfiguration.makeClientConfiguration()
        settings.minimumTLSVersion = .tlsv12
        settings.certificateVerification = .fullVerification
        // The other side's address is the proxy's: `ServerIdentity` looks for the gateway's.
        if configuration.proxy != nil, (try? SocketAddress(ipAddress: configuration.endpoint.host, port: 0)) != nil {
            settings.certificateVerification = .noHostnameVerification
        }
        settings.applicationProtocols = configuration.transport == .sse ? ["h2", "http/1.1"] : ["http/1.1"]
        settings.shutdownTimeout = .milliseconds(500)
        if let file = configuration.certificateAuthorityFile { settings.trustRoots = .file(file) }
        try configuration.clientCertificate?.add(to: &settings)
        tls = try NIOSSLContext(configuration: settings)
    }

    /// Sends a request, on an idle connection where there is one for its model, and hands the answer to `handler`.
    ///
    /// Call it on `loop`, to which stream and handler belong from then on. No handler method runs before it returns.
    /// The handler is held until the stream ends.
    public func open(
        _ request: GatewayRequest, on loop: any EventLoop, handler: any GatewayStreamHandler
    ) -> GatewayStream {
        let stream = GatewayStream(owner: owner(on: loop), request: request, handler: handler)
        metrics.streamsStarted.add(1, ordering: .relaxed)
        loop.assumeIsolated().execute { stream.start() }
        return stream
    }

    /// From the next request on these keys are sent. A connection that was opened with another one is not used again, unless
    /// that key is still among them.
    public func replaceKeys(_ keys: [GatewayKey]) { self.keys.replace(with: keys) }

    /// From now on so many connections as the configuration says are kept ready on each of these loops.
    ///
    /// - Returns: for each loop, when all were opened, or have failed, for the first time.
    @discardableResult
    public func keepWarm(on loops: [any EventLoop]) -> [EventLoopFuture<Void>] {
        guard configuration.minimumIdle > 0 else { return [] }
        return loops.map { loop in loop.flatSubmit { self.owner(on: loop).warmUp() } }
    }

    /// What `probe` found.
    public struct Probe: Sendable {
        /// `nil`: it was let in.
        public var failure: GatewayFailure?
        public var latency: Duration
    }

    /// Opens a connection with one of the keys, up to the upgrade for a WebSocket, and closes it. Sends no request.
    ///
    /// - Parameter key: its place in `configuration.keys`.
    public func probe(key: Int, model: String, on loop: any EventLoop) async -> Probe {
        let started = ContinuousClock.now
        let failure = await withCheckedContinuation { (continuation: CheckedContinuation<GatewayFailure?, Never>) in
            loop.execute {
                let owner = self.owner(on: loop)
                owner.connectAlone(model: model, key: key) { connection, failure in
                    connection?.retire()
                    guard let failure else { return continuation.resume(returning: nil) }
                    owner.explain(failure) { continuation.resume(returning: $0) }
                }
            }
        }
        return Probe(failure: failure, latency: ContinuousClock.now - started)
    }

    /// Closes idle connections (1000), fails live streams with `gateway_shutdown` and closes theirs (1001), and returns
    /// when all are closed, which takes about a second at most. A stream opened after that fails at once.
    public func shutdown() async {
        isShutDown.store(true, ordering: .sequentiallyConsistent)
        let loops = self.loops.withLock { Array($0.values) }
        await withTaskGroup(of: Void.self) { group in
            for bound in loops {
                group.addTask {
                    // An event loop that has stopped has closed its channels itself.
                    try? await bound.eventLoop.flatSubmit { bound.value.shutDown() }.get()
                }
            }
        }
    }

    private func owner(on loop: any EventLoop) -> GatewayLoop {
        loop.preconditionInEventLoop()
        let bound = loops.withLock { loops in
            if let bound = loops[ObjectIdentifier(loop)] { return bound }
            let owner = GatewayLoop(
                eventLoop: loop, configuration: configuration, tls: tls, metrics: metrics, keys: keys,
                habits: habits, shapes: shapes, budget: budget, logger: logger)
            let bound = NIOLoopBound(owner, eventLoop: loop)
            loops[ObjectIdentifier(loop)] = bound
            return bound
        }
        let owner = bound.value
        if isShutDown.load(ordering: .sequentiallyConsistent) { _ = owner.shutDown() }
        return owner
    }
}
