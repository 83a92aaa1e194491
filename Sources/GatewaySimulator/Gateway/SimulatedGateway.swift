import NIOCore
import NIOHTTP1
import NIOHTTP2
import NIOPosix
import NIOSSL
import NIOTLS
import NIOWebSocket
import Synchronization

/// A stand-in for the model gateway: the WebSocket protocol of its guide and, on the same port, OpenAI's event streams
/// over HTTP/1.1 and (through TLS) HTTP/2; spoken from a script or bridged to a real model, with faults on request.
///
/// Every connection lives on one event loop, and every answer costs one timer, so that thousands of slow streams cost
/// little more than their system calls.
public final class SimulatedGateway: Sendable {
    /// Where it listens.
    public let port: Int
    /// What clients connect to, without the `model` item.
    public let url: String

    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let context: GatewayContext
    private let children: ChildChannels
    private let isShutDown = Atomic(false)

    private init(
        port: Int, url: String, group: MultiThreadedEventLoopGroup, listener: any Channel, context: GatewayContext,
        children: ChildChannels
    ) {
        self.port = port
        self.url = url
        self.group = group
        self.listener = listener
        self.context = context
        self.children = children
    }

    /// Listens, and returns once clients can connect. Throws `SimulatorError`.
    public static func start(_ options: Options = Options()) async throws -> SimulatedGateway {
        guard options.threads > 0, options.tokensPerSecond >= 0, options.tokensPerSecond.isFinite,
            options.tokens.map({ $0 >= 0 }) ?? true, options.firstTokenDelay >= .zero
        else { throw SimulatorError(.invalidOptions, "threads, tokens, rate and delays cannot be negative") }
        let transcript = try options.transcriptPath.map { path throws(SimulatorError) in try TranscriptFile(path: path)
        }
        let tls = try options.tls.map { tls throws(SimulatorError) in
            try makeTLSContext(tls, speaksHTTP2: options.speaksHTTP2)
        }
        let group = MultiThreadedEventLoopGroup(numberOfThreads: options.threads)
        let bridge = options.upstream.map {
            UpstreamBridge(upstream: $0, passesDone: options.sendsDone, group: group)
        }
        let context = GatewayContext(
            options: options, recorder: AnswerRecorder(keeps: options.recordsAnswers, transcript: transcript),
            bridge: bridge)
        let children = ChildChannels()
        do {
            let listener = try await bind(options, group: group, tls: tls, context: context, children: children)
            let port = listener.localAddress?.port ?? options.port
            let host = options.host.contains(":") ? "[\(options.host)]" : options.host
            return SimulatedGateway(
                port: port, url: "\(tls == nil ? "ws" : "wss")://\(host):\(port)\(options.path)", group: group,
                listener: listener, context: context, children: children)
        } catch {
            try? await bridge?.shutdown()
            try? await group.shutdownGracefully()
            throw SimulatorError(.cannotListen, "cannot listen on \(options.host) port \(options.port): \(error)")
        }
    }

    /// What clients of the event streams ask.
    public var httpURL: String { "\(url.hasPrefix("wss") ? "https" : "http")\(origin)\(context.options.httpPath)" }

    private var origin: String {
        String(url.dropFirst(url.hasPrefix("wss") ? 3 : 2).dropLast(context.options.path.count))
    }

    public var counters: Counters { context.counters }

    /// Every answer that ended so far, in the order of their ends. Empty unless `recordsAnswers`.
    public var answers: [SimulatedAnswer] { context.recorder.answers }

    /// The answers to the requests of a `user`, in the order of their ends.
    public func answers(user: String) -> [SimulatedAnswer] { answers.filter { $0.user == user } }

    /// The answer to the request with this number, counted from 0.
    public func answer(request: Int) -> SimulatedAnswer? { answers.first { $0.request == request } }

    /// Returns when so many answers have ended, however they ended. Throws when its task is cancelled.
    public func waitForAnswers(_ count: Int) async throws { try await context.recorder.wait(for: count) }

    /// Cuts every open connection without a close frame.
    public func cutConnections() { children.closeAll() }

    /// Stops listening, cuts every connection, and returns when all threads have ended. A second call does nothing.
    public func shutdown() async {
        guard !isShutDown.exchange(true, ordering: .relaxed) else { return }
        try? await listener.close()
        children.closeAll()
        try? await context.bridge?.shutdown()
        try? await group.shutdownGracefully()
    }

    private static func makeTLSContext(_ tls: TLS, speaksHTTP2: Bool) throws(SimulatorError) -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(tls.certificateFile).map {
                NIOSSLCertificateSource.certificate($0)
            }
            let key = try NIOSSLPrivateKey(file: tls.keyFile, format: .pem)
            var configuration = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain, privateKey: .privateKey(key))
            configuration.minimumTLSVersion = tls.isOld ? .tlsv1 : .tlsv12
            if tls.isOld { configuration.maximumTLSVersion = .tlsv11 }
            configuration.applicationProtocols = speaksHTTP2 ? ["h2", "http/1.1"] : ["http/1.1"]
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw SimulatorError(.unreadableFile, "cannot use the certificate and key: \(error)")
        }
    }

    private static func bind(
        _ options: Options, group: MultiThreadedEventLoopGroup, tls: NIOSSLContext?, context: GatewayContext,
        children: ChildChannels
    ) async throws -> any Channel {
        try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    children.add(channel)
                    // Without a handler what comes is read and forgotten.
                    guard context.faultOfNextConnection() == nil else { return }
                    guard let tls else { return try configure(channel, context: context) }
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(NIOSSLServerHandler(context: tls))
                    try pipeline.addHandler(
                        ApplicationProtocolNegotiationHandler { (result, channel: any Channel) in
                            channel.eventLoop.makeCompletedFuture {
                                if case .negotiated("h2") = result {
                                    try configureHTTP2(channel, context: context)
                                } else {
                                    try configure(channel, context: context)
                                }
                            }
                        })
                }
            }
            .bind(host: options.host, port: options.port)
            .get()
    }

    /// HTTP until the upgrade; then only the frame decoder and the connection's own handler stay.
    private static func configure(_ channel: any Channel, context: GatewayContext) throws {
        let admission = admission(context)
        let decided = DecisionBox()
        let upgrader = NIOTypedWebSocketServerUpgrader<Void>(
            maxFrameSize: context.options.maximumRequestSize, enableAutomaticErrorHandling: false,
            shouldUpgrade: { channel, head in
                let fault = context.faultOfNextHead(.init(model: Admission.model(in: head.uri) ?? ""))
                let decision = admission.decide(head, refusal: fault)
                decided.value.withLock { $0 = decision }
                guard decision == .admit else { return channel.eventLoop.makeSucceededFuture(nil) }
                switch fault {
                // Decided when the client has had enough.
                case .hang: return channel.closeFuture.map { nil }
                case .dripHead(let milliseconds): DripHandler.install(on: channel, milliseconds: milliseconds)
                default: break
                }
                return channel.eventLoop.makeSucceededFuture(HTTPHeaders())
            },
            upgradePipelineHandler: { channel, head in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    let encoder = try pipeline.context(handlerType: WebSocketFrameEncoder.self)
                    try pipeline.addHandler(
                        GatewayConnectionHandler(
                            context: context, rawContext: encoder, queryModel: Admission.model(in: head.uri)))
                }
            })
        let upgrade = NIOTypedHTTPServerUpgradeConfiguration<Void>(
            upgraders: [upgrader],
            notUpgradingCompletionHandler: { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        EventStreamHandler(admission: admission, context: context))
                    try channel.pipeline.syncOperations.addHandler(
                        PlainHTTPHandler(
                            admission: admission, context: context, decided: decided.value.withLock { $0 }))
                }
            })
        let result = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
            configuration: NIOUpgradableHTTPServerPipelineConfiguration(upgradeConfiguration: upgrade))
        result.whenFailure { _ in channel.close(promise: nil) }
    }

    /// Each stream is a request.
    private static func configureHTTP2(_ channel: any Channel, context: GatewayContext) throws {
        let admission = admission(context)
        let connection = context.nextConnection()
        channel.closeFuture.whenComplete { _ in context.connectionClosed() }
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(NIOHTTP2Handler(mode: .server))
        try pipeline.addHandler(
            HTTP2StreamMultiplexer(mode: .server, channel: channel) { stream in
                stream.eventLoop.makeCompletedFuture {
                    let pipeline = stream.pipeline.syncOperations
                    try pipeline.addHandler(HTTP2FramePayloadToHTTP1ServerCodec())
                    try pipeline.addHandler(
                        EventStreamHandler(admission: admission, context: context, streamOf: connection))
                    try pipeline.addHandler(PlainHTTPHandler(admission: admission, context: context, decided: nil))
                }
            })
    }

    private static func admission(_ context: GatewayContext) -> Admission {
        let options = context.options
        return Admission(path: options.path, httpPath: options.httpPath, apiKeys: options.apiKeys)
    }
}

/// Carries the decision about an upgrade to the handler that answers when it is refused. One event loop writes and
/// reads it.
private final class DecisionBox: Sendable {
    let value = Mutex<Admission.Decision?>(nil)
}
