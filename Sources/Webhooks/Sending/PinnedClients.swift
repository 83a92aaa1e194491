internal import AsyncHTTPClient
internal import NIOCore
internal import Synchronization

/// HTTP clients, each of which connects one host to one vetted address, and to no other.
///
/// The client resolves names itself and offers no place to look at an address before TLS starts: its connection
/// initializer runs after the handshake. But `dnsOverride`, which is fixed for a client's life, makes it connect to a
/// given address while certificate, SNI and `Host` stay the name's. So there is a client for each (host, address): not
/// even a SYN goes to an address that was not judged, a name that changes its address gets another client, and
/// connections are reused as long as the name stays where it is. `GuardedConnections` checks the peer all the same.
final class PinnedClients: Sendable {
    struct Key: Hashable {
        let host: String
        /// `nil` where a proxy resolves the name.
        var address: IPAddress?
        /// Connections with one client certificate are not used for an endpoint with another.
        var certificate: WebhookOptions.ClientCertificate?
        /// Posts of this one never take a connection that another post has used.
        var isFresh = false
    }

    private struct Entry {
        let client: HTTPClient
        var users = 0
        var lastUse: ContinuousClock.Instant
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var isShutDown = false
        var lastSweep = ContinuousClock.now
    }

    /// A client that nobody used for as long has no open connections any more.
    private static let idleTime: Duration = .seconds(120)
    static let connectionIdleTime: TimeAmount = .seconds(60)

    private let state = Mutex(State())
    private let group: any EventLoopGroup
    private let configuration: HTTPClient.Configuration
    private let identities: ClientIdentities
    private let maximumAnswerSize: Int
    /// The peer of every connection is the proxy, which connects to the key's address.
    private let isProxied: Bool

    /// - Parameters:
    ///   - configuration: of every client; `dnsOverride` and the initializers are set here.
    ///   - maximumAnswerSize: bytes of an HTTP/1 answer, headers included, after which the connection is closed.
    init(
        group: any EventLoopGroup, configuration: HTTPClient.Configuration,
        identities: ClientIdentities = ClientIdentities(), maximumAnswerSize: Int
    ) {
        self.group = group
        self.identities = identities
        self.configuration = configuration
        isProxied = configuration.proxy != nil
        self.maximumAnswerSize = maximumAnswerSize
    }

    /// `nil` after `shutdown()`. Every client that was acquired has to be released.
    func acquire(_ key: Key) -> HTTPClient? {
        let (client, idle): (HTTPClient?, [HTTPClient]) = self.state.withLock { state in
            guard !state.isShutDown else { return (nil, []) }
            let now = ContinuousClock.now
            var entry = state.entries[key] ?? Entry(client: self.makeClient(key), lastUse: now)
            entry.users += 1
            entry.lastUse = now
            state.entries[key] = entry
            return (entry.client, Self.sweep(&state, now: now))
        }
        // Nothing is under way on these, so closing them ends by itself and nobody has to wait for it.
        for client in idle { client.shutdown(queue: .global()) { _ in } }
        return client
    }

    func release(_ key: Key) {
        self.state.withLock {
            $0.entries[key]?.users -= 1
            $0.entries[key]?.lastUse = .now
        }
    }

    var isShutDown: Bool { self.state.withLock { $0.isShutDown } }

    func isWarm(_ key: Key) -> Bool {
        self.state.withLock { $0.entries[key] != nil }
    }

    /// How long a shutdown waits for connections to close: no peer may hold up the end of the worker.
    private static let closingTime = TimeAmount.seconds(5)

    /// Cuts what is under way.
    ///
    /// - Returns: `true` when all connections are closed, `false` soon after where some are not.
    func shutdown() async -> Bool {
        let clients = self.state.withLock { state in
            state.isShutDown = true
            defer { state.entries = [:] }
            return state.entries.values.map(\.client)
        }
        return await withTaskGroup(of: Bool.self) { group in
            for client in clients { group.addTask { await Self.close(client, self.group.any()) } }
            return await group.reduce(true) { $0 && $1 }
        }
    }

    private static func close(_ client: HTTPClient, _ loop: any EventLoop) async -> Bool {
        await withCheckedContinuation { continuation in
            // Whoever comes second touches the event loop no more: it may be gone.
            let end = Ending(continuation)
            let timer = loop.scheduleTask(in: Self.closingTime) { end.take()?.resume(returning: false) }
            client.shutdown(queue: .global()) { _ in
                guard let continuation = end.take() else { return }
                timer.cancel()
                continuation.resume(returning: true)
            }
        }
    }

    /// Who waits for the end, for the first who has it.
    private final class Ending: Sendable {
        private let waiter: Mutex<CheckedContinuation<Bool, Never>?>

        init(_ waiter: CheckedContinuation<Bool, Never>) { self.waiter = Mutex(waiter) }

        func take() -> CheckedContinuation<Bool, Never>? { waiter.withLock { $0.take() } }
    }

    private static func sweep(_ state: inout State, now: ContinuousClock.Instant) -> [HTTPClient] {
        guard now - state.lastSweep > Self.idleTime / 4 else { return [] }
        state.lastSweep = now
        let idle = state.entries.filter { $0.value.users == 0 && now - $0.value.lastUse > Self.idleTime }
        for key in idle.keys { state.entries[key] = nil }
        return idle.values.map(\.client)
    }

    private func makeClient(_ key: Key) -> HTTPClient {
        var configuration = self.configuration
        if let certificate = key.certificate, let tls = self.identities.configuration(certificate) {
            configuration.tlsConfiguration = tls
        }
        if let address = key.address.map({ "\($0)" }), key.host != address {
            configuration.dnsOverride = [key.host: address]
        }
        GuardedConnections(
            host: key.host, address: self.isProxied ? nil : key.address, maximumAnswerSize: self.maximumAnswerSize
        ).install(in: &configuration)
        return HTTPClient(eventLoopGroupProvider: .shared(self.group), configuration: configuration)
    }
}
