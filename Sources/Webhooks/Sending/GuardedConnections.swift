package import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTP2
internal import NIOSSL
internal import PeerChecks

/// What every connection of an HTTP client passes before a byte of a request leaves, and what stands in its pipeline
/// afterwards, so that the client sees no bytes of a peer that it cannot take: the peer is who it should be, and its
/// answers are bounded and in order. For webhooks, the trace collector, and whoever else asks servers of others.
package struct GuardedConnections: Sendable {
    /// The host as in the URL, in lower case and without brackets. The certificate has to be for this name; for an address
    /// the TLS library's own check is right.
    let host: String
    /// The only address that the peer may have; `nil` is any.
    var address: IPAddress?
    /// Bytes of one HTTP/1.1 answer, headers included, after which the connection is closed.
    let maximumAnswerSize: Int

    /// - Parameter host: in any case; a final dot does not count.
    package init(host: String, maximumAnswerSize: Int) {
        let name = host.lowercased()
        self.init(
            host: name.hasSuffix(".") ? String(name.dropLast()) : name, address: nil,
            maximumAnswerSize: maximumAnswerSize)
    }

    /// `nil` for a URL that is none.
    package init?(url: String, maximumAnswerSize: Int) {
        guard let url = try? WebhookURL(parsing: url) else { return nil }
        self.init(host: url.clientHost, maximumAnswerSize: maximumAnswerSize)
    }

    init(host: String, address: IPAddress?, maximumAnswerSize: Int) {
        self.host = host
        self.address = address
        self.maximumAnswerSize = maximumAnswerSize
    }

    /// Puts the guards into every connection that a client of this configuration makes.
    package func install(in configuration: inout HTTPClient.Configuration) {
        configuration.http1_1ConnectionDebugInitializer = { channel in
            Self.prepare(channel) {
                try self.check(channel)
                let pipeline = channel.pipeline.syncOperations
                let limiter = AnswerSizeLimiter(maximumSize: self.maximumAnswerSize)
                if let tls = try? pipeline.handler(type: NIOSSLClientHandler.self) {
                    try pipeline.addHandler(limiter, position: .after(tls))
                } else {
                    try pipeline.addHandler(limiter, position: .first)
                }
                let parser = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
                try pipeline.addHandler(HTTP1AnswerGuard(), position: .after(parser))
            }
        }
        configuration.http2ConnectionDebugInitializer = { channel in
            Self.prepare(channel) {
                try self.check(channel)
                let pipeline = channel.pipeline.syncOperations
                let frames = try pipeline.handler(type: NIOHTTP2Handler.self)
                try pipeline.addHandler(HTTP2ConnectionGuard(), position: .after(frames))
            }
        }
        configuration.http2StreamChannelDebugInitializer = { stream in
            Self.prepare(stream, closes: false) {
                let guarding = try stream.parent?.pipeline.syncOperations.handler(type: HTTP2ConnectionGuard.self)
                let isReused = (guarding?.streams ?? 0) > 0
                try stream.pipeline.syncOperations.addHandler(HTTP2AnswerGuard(isReused: isReused), position: .first)
            }
        }
    }

    /// At once where it is called on the connection's event loop, as the client does it: what the peer has sent already
    /// must not reach the client before the guards stand there, and before the client knows that the connection is made.
    private static func prepare(
        _ channel: any Channel, closes: Bool = true, _ body: @escaping @Sendable () throws -> Void
    ) -> EventLoopFuture<Void> {
        @Sendable func run() throws {
            do {
                // One that is closed by now would be given out for ever.
                guard !closes || channel.isActive else { throw ChannelError.ioOnClosedChannel }
                try body()
            } catch {
                // The client forgets a connection whose initializer fails, and does not close it.
                if closes { channel.eventLoop.execute { channel.close(promise: nil) } }
                throw error
            }
        }
        guard channel.eventLoop.inEventLoop else { return channel.eventLoop.submit(run) }
        return channel.eventLoop.makeCompletedFuture { try run() }
    }

    /// Throws where the connection's peer is not the address that was vetted, or not the host by its certificate.
    private func check(_ channel: any Channel) throws {
        if let address {
            guard let peer = channel.remoteAddress.flatMap({ IPAddress($0) }), peer == address else {
                throw PostFailure.UnvettedPeer()
            }
        }
        try ServerIdentity.verify(channel, isFor: host)
    }
}
