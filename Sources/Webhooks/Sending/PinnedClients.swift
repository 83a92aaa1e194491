internal import AsyncHTTPClient
internal import NIOCore
internal import NIOSSL
internal import PeerChecks
internal import Synchronization

/// HTTP clients, each of which connects one host to one vetted address, and to no other.
///
/// The client resolves names itself and offers no place to look at an address before TLS starts: its connection
/// initializer runs after the handshake. But `dnsOverride`, which is fixed for a client's life, makes it connect to a
/// given address while certificate, SNI and `Host` stay the name's. So there is a client for each (host, address): not
/// even a SYN goes to an address that was not judged, a name that changes its address gets another client, and
/// connections are reused as long as the name stays where it is. The initializer checks the peer all the same.
final class PinnedClients: Sendable {
    struct Key: Hashable {
        let host: String
        /// `nil` where a proxy resolves the name.
        var address: IPAddress?
        /// Connections with one client certificate are not used for an endpoint with another.
        var certificate: WebhookOptions.ClientCertificate?
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

    func isWarm(_ key: Key) -> Bool {
        self.state.withLock { $0.entries[key] != nil }
    }

    /// Cuts what is under way; returns when all connections are closed.
    func shutdown() async {
        let clients = self.state.withLock { state in
            state.isShutDown = true
            defer { state.entries = [:] }
            return state.entries.values.map(\.client)
        }
        await withTaskGroup(of: Void.self) { group in
            for client in clients { group.addTask { try? await client.shutdown() } }
        }
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
        let limit = self.maximumAnswerSize
        configuration.http1_1ConnectionDebugInitializer = { channel in
            Self.check(channel, key).flatMapThrowing {
                let limiter = AnswerSizeLimiter(maximumSize: limit)
                let pipeline = channel.pipeline.syncOperations
                if let tls = try? pipeline.handler(type: NIOSSLClientHandler.self) {
                    try pipeline.addHandler(limiter, position: .after(tls))
                } else {
                    try pipeline.addHandler(limiter, position: .first)
                }
            }
        }
        configuration.http2ConnectionDebugInitializer = { channel in Self.check(channel, key) }
        return HTTPClient(eventLoopGroupProvider: .shared(self.group), configuration: configuration)
    }

    /// Fails, and closes the connection, where its peer is not the address that was vetted, or not the host by its
    /// certificate. Before a byte of a request.
    private static func check(_ channel: any Channel, _ key: Key) -> EventLoopFuture<Void> {
        channel.eventLoop.submit {
            do {
                if let address = key.address {
                    guard let peer = channel.remoteAddress.flatMap({ IPAddress($0) }), peer == address else {
                        throw PostFailure.UnvettedPeer()
                    }
                }
                try ServerIdentity.verify(channel, isFor: key.host)
            } catch {
                // The client forgets a connection whose initializer fails, and does not close it.
                channel.eventLoop.execute { channel.close(promise: nil) }
                throw error
            }
        }
    }
}
