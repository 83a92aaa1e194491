import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import Synchronization

/// Hummingbird's HTTP/1.1 with `AdminConnectionHandler` in each connection, and a bound to how many there are.
struct AdminChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    /// So many connections at once are answered; the next ones are told to come again.
    static let mostConnections = 64
    /// So many more may wait to be told; any other is closed without a word.
    static let mostRefusals = 64

    let inner: HTTP1Channel
    let patience: AdminConnectionState.Patience
    let connections = Connections()

    /// Those that are open. Any thread.
    final class Connections: Sendable {
        private let count = Atomic<Int>(0)

        /// Counts a channel until it is closed.
        ///
        /// - Returns: how many there are with it.
        func add(_ channel: any Channel) -> Int {
            channel.closeFuture.whenComplete { _ in self.count.subtract(1, ordering: .relaxed) }
            return count.add(1, ordering: .relaxed).newValue
        }
    }

    static func builder(patience: AdminConnectionState.Patience = .init()) -> HTTPServerBuilder {
        HTTPServerBuilder { responder in
            AdminChannel(inner: HTTP1Channel(responder: responder), patience: patience)
        }
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        let count = connections.add(channel)
        guard count <= Self.mostConnections + Self.mostRefusals else {
            return channel.close().flatMapThrowing { throw ChannelError.ioOnClosedChannel }
        }
        var patience = patience
        let isRefused = count > Self.mostConnections
        if isRefused { patience.head = min(patience.head, .seconds(2)) }
        let allowed = patience
        return inner.setup(channel: channel, logger: logger).flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(
                AdminConnectionHandler(patience: allowed, isRefused: isRefused), position: .after(decoder))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async { await inner.handle(value: value, logger: logger) }
}

/// What a request of the admin server comes with.
struct AdminContext: RequestContext {
    var coreContext: CoreRequestContextStorage
    let channel: any Channel

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
    }

    /// The body is about to be read.
    func wantsBody() { channel.triggerUserOutboundEvent(AdminConnectionHandler.WantsBody(), promise: nil) }
}

/// 405 for a path that is known by another method; the router's own answer would be 404.
struct AdminMethods: RouterMiddleware {
    typealias Context = AdminContext

    private static let reading = ["/", "/live", "/ready", "/metrics", "/status", "/events", "/queues", "/dead"]
    private static let changing = ["/jobs/cancel", "/dead/replay"]

    func handle(
        _ request: Request, context: Context, next: (Request, Context) async throws -> Response
    ) async throws -> Response {
        let path = request.uri.path
        let allowed: [HTTPRequest.Method] =
            Self.reading.contains(path) ? [.get, .head] : Self.changing.contains(path) ? [.post] : []
        guard allowed.isEmpty || allowed.contains(request.method) else {
            throw HTTPError(
                .methodNotAllowed, headers: [.allow: allowed.map(\.rawValue).joined(separator: ", ")],
                message: "this path does not know \(request.method.rawValue.prefix(32))")
        }
        return try await next(request, context)
    }
}
