import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A stand-in for a customer's webhook endpoint: checks signatures as Standard Webhooks asks for, and answers as told.
public final class WebhookReceiver: Sendable {
    /// Where it listens.
    public let port: Int
    /// Takes deliveries at any path below it.
    public let url: String
    /// Every request as it is answered. For one reader; ends with `shutdown`.
    public let deliveries: AsyncStream<ReceivedWebhook>

    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let desk: WebhookDesk
    private let children: ChildChannels
    private let isShutDown = Atomic(false)

    private init(
        port: Int, url: String, deliveries: AsyncStream<ReceivedWebhook>, group: MultiThreadedEventLoopGroup,
        listener: any Channel, desk: WebhookDesk, children: ChildChannels
    ) {
        self.port = port
        self.url = url
        self.deliveries = deliveries
        self.group = group
        self.listener = listener
        self.desk = desk
        self.children = children
    }

    /// Listens, and returns once deliveries can come. Throws `SimulatorError`.
    public static func start(_ options: Options = Options()) async throws -> WebhookReceiver {
        guard (200...599).contains(options.status), (200...599).contains(options.failStatus), options.failFirst >= 0,
            options.delay >= .zero
        else { throw SimulatorError(.invalidOptions, "a status is 200 to 599; counts and delays cannot be negative") }
        let (deliveries, continuation) = AsyncStream.makeStream(of: ReceivedWebhook.self)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let desk = WebhookDesk(options: options, deliveries: continuation)
        let children = ChildChannels()
        do {
            let listener = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 1024)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        children.add(channel)
                        try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                        try channel.pipeline.syncOperations.addHandler(WebhookReceiverHandler(desk: desk))
                    }
                }
                .bind(host: options.host, port: options.port)
                .get()
            let port = listener.localAddress?.port ?? options.port
            let host = options.host.contains(":") ? "[\(options.host)]" : options.host
            return WebhookReceiver(
                port: port, url: "http://\(host):\(port)/", deliveries: deliveries, group: group, listener: listener,
                desk: desk, children: children)
        } catch {
            continuation.finish()
            try? await group.shutdownGracefully()
            throw SimulatorError(.cannotListen, "cannot listen on \(options.host) port \(options.port): \(error)")
        }
    }

    /// Every request answered so far. Empty unless `recordsDeliveries`.
    public var received: [ReceivedWebhook] { desk.received }

    /// Stops listening, cuts every connection, ends `deliveries`. A second call does nothing.
    public func shutdown() async {
        guard !isShutDown.exchange(true, ordering: .relaxed) else { return }
        try? await listener.close()
        children.closeAll()
        try? await group.shutdownGracefully()
        desk.close()
    }
}
