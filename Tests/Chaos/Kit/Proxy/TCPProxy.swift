internal import NIOCore
internal import NIOPosix
package import TestSupport

/// Stands between two programs and is the network that fails: passes on, resets, swallows, delays, refuses. Connections
/// are told apart by the name that an AMQP client gives them.
package final class TCPProxy: Sendable {
    package enum Direction: Sendable, CaseIterable {
        /// From the client that connected to the server behind.
        case up
        case down
    }

    /// Which connections are meant.
    package enum Selection: Sendable {
        case all
        /// Those whose name ends with a word that begins so: `consumer`, `publisher`.
        case role(String)

        func contains(_ name: String) -> Bool {
            switch self {
            case .all: true
            case .role(let role): name.split(separator: " ").last?.hasPrefix(role) ?? false
            }
        }
    }

    /// What has happened, for those who wait for it.
    package enum Event: Sendable, Equatable {
        /// A connection has said its name.
        case named(String)
        case closed(String)
    }

    package let port: Int
    package let log: EventLog<Event>
    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel
    private let core: NIOLoopBoundBox<Core>

    /// What belongs to the event loop.
    private final class Core {
        var target: Int
        var isRefusing = false
        var delay = TimeAmount.zero
        var links: [ObjectIdentifier: ProxyLink] = [:]

        init(target: Int) { self.target = target }
    }

    private init(
        port: Int, log: EventLog<Event>, group: MultiThreadedEventLoopGroup, listener: any Channel,
        core: NIOLoopBoundBox<Core>
    ) {
        self.port = port
        self.log = log
        self.group = group
        self.listener = listener
        self.core = core
    }

    /// Listens on a free port of the loopback, for a server on another one.
    package static func start(target: Int) async throws -> TCPProxy {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let loop = group.next()
        let core = NIOLoopBoundBox.makeBoxSendingValue(Core(target: target), eventLoop: loop)
        let log = EventLog<Event>()
        let listener = try await ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 1024)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture { try accept(channel, core.value, log) }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return TCPProxy(port: listener.localAddress?.port ?? 0, log: log, group: group, listener: listener, core: core)
    }

    /// New connections go to another port.
    package func aim(at port: Int) async throws { try await onLoop { $0.target = port } }

    /// Resets connections on both sides; returns how many.
    @discardableResult
    package func cut(_ selection: Selection = .all) async throws -> Int {
        try await onLoop { core in
            let links = core.links.values.filter { selection.contains($0.name) }
            for link in links { link.cut() }
            return links.count
        }
    }

    /// From now on, what these connections send in these directions arrives nowhere, and the end of one side is not told
    /// to the other. New connections work. Returns how many there are.
    @discardableResult
    package func swallow(_ directions: [Direction], of selection: Selection) async throws -> Int {
        try await onLoop { core in
            let links = core.links.values.filter { selection.contains($0.name) }
            for link in links { for direction in directions { link.swallow(direction) } }
            return links.count
        }
    }

    /// While set, new connections are reset as soon as they come.
    package func refuse(_ isRefusing: Bool) async throws { try await onLoop { $0.isRefusing = isRefusing } }

    /// Everything waits so long in both directions.
    package func delay(_ milliseconds: Int64) async throws {
        try await onLoop { core in
            core.delay = .milliseconds(milliseconds)
            for link in core.links.values { link.delay = core.delay }
        }
    }

    package func stop() async throws {
        try await listener.close()
        try await cut()
        try await group.shutdownGracefully()
    }

    private func onLoop<Value: Sendable>(_ body: @escaping @Sendable (Core) -> Value) async throws -> Value {
        let core = core
        return try await listener.eventLoop.submit { body(core.value) }.get()
    }

    /// On the event loop: there is only one.
    private static func accept(_ client: any Channel, _ core: Core, _ log: EventLog<Event>) throws {
        guard !core.isRefusing else { return ProxyLink.reset(client) }
        let link = ProxyLink(client: client)
        let key = ObjectIdentifier(link)
        core.links[key] = link
        link.delay = core.delay
        link.onName = { log.append(.named($0)) }
        link.onEnd = { [weak link, weak core] in
            if let name = link?.name, !name.isEmpty { log.append(.closed(name)) }
            core?.links[key] = nil
        }
        try client.pipeline.syncOperations.addHandler(ProxyPipe(link, .up))
        let bound = NIOLoopBound(link, eventLoop: client.eventLoop)
        ClientBootstrap(group: client.eventLoop)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { server in
                server.eventLoop.makeCompletedFuture {
                    try server.pipeline.syncOperations.addHandler(ProxyPipe(bound.value, .down))
                }
            }
            .connect(host: "127.0.0.1", port: core.target)
            .whenComplete { result in
                switch result {
                case .success(let server): bound.value.connected(to: server)
                case .failure: bound.value.cut()
                }
            }
    }
}
