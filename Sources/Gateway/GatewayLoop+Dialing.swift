import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// How a socket to the gateway comes about, whichever protocol is spoken on it.
extension GatewayLoop {
    /// Connects TCP, through the gateway's proxy if it has one. Nothing of the gateway is read before `startReading`, when the
    /// pipeline is complete.
    func dial() -> EventLoopFuture<any Channel> {
        let endpoint = configuration.endpoint
        guard let proxy = configuration.proxy else {
            // The stream's own deadline comes first.
            let time = TimeAmount(bounded: configuration.connectTimeout) + .seconds(1)
            return connect(host: endpoint.host, port: endpoint.port, within: time)
        }
        return dial(endpoint, through: proxy)
    }

    /// What the proxy may take ends a little before the stream's own deadline, so that it is the proxy that is named.
    private func dial(
        _ endpoint: GatewayConfiguration.Endpoint, through proxy: GatewayConfiguration.Proxy
    ) -> EventLoopFuture<any Channel> {
        let time = TimeAmount(bounded: configuration.connectTimeout)
        let patience = TimeAmount.nanoseconds(time.nanoseconds / 10 * 9)
        let deadline = NIODeadline.now() + patience
        let promise = eventLoop.makePromise(of: (any Channel).self)
        connect(host: proxy.host, port: proxy.port, within: patience).assumeIsolated().whenComplete { result in
            switch result {
            case .failure(ChannelError.connectTimeout): promise.fail(ProxyFailure.silent)
            case .failure: promise.fail(ProxyFailure.unreachable)
            case .success(let channel):
                let handler = ProxyConnectHandler(to: endpoint, proxy: proxy, deadline: deadline) { failure in
                    if let failure { promise.fail(failure) } else { promise.succeed(channel) }
                }
                do {
                    try channel.pipeline.syncOperations.addHandler(handler)
                    try self.startReading(channel)
                } catch {
                    channel.close(promise: nil)
                    handler.giveUp()
                }
            }
        }
        return promise.futureResult
    }

    private func connect(host: String, port: Int, within time: TimeAmount) -> EventLoopFuture<any Channel> {
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(time)
            .channelOption(.autoRead, value: false)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            // A request or a ping that nobody acknowledges: the other side has gone without a word.
            .channelOption(.tcpOption(Self.userTimeout), value: 30_000)
            // A chunk or two while an answer trickles, and many at once where it pours: the channel keeps what it read into.
            .channelOption(
                .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 512, maximum: 65_536))
        let address = try? SocketAddress(ipAddress: host, port: port)
        return address.map { bootstrap.connect(to: $0) } ?? bootstrap.connect(host: host, port: port)
    }

    /// `TCP_USER_TIMEOUT`, in milliseconds; Swift's Glibc does not have its name.
    static let userTimeout = NIOBSDSocket.Option(rawValue: 18)

    /// Puts TLS first into the pipeline, where the gateway's address asks for it.
    func addTLS(to channel: any Channel) throws {
        guard let tls else { return }
        let handler = try NIOSSLClientHandler(context: tls, serverHostname: serverName)
        try channel.pipeline.syncOperations.addHandler(handler)
        try channel.pipeline.syncOperations.addHandler(
            ServerIdentityHandler(host: configuration.endpoint.host, isProxied: configuration.proxy != nil))
    }

    func startReading(_ channel: any Channel) throws {
        guard let options = channel.syncOptions else { throw ChannelError.operationUnsupported }
        try options.setOption(.autoRead, value: true)
    }
}

/// HTTP/1.1 as a client of a gateway speaks it: all headers are its own, those of the answer are bounded.
enum GatewayHTTP1 {
    static func makeEncoder() -> HTTPRequestEncoder {
        var configuration = HTTPRequestEncoder.Configuration()
        configuration.automaticallySetFramingHeaders = false
        return HTTPRequestEncoder(configuration: configuration)
    }

    static func makeDecoder() -> ByteToMessageHandler<HTTPResponseDecoder> {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 8192
        limits.maxHeaderListSize = 16_384
        limits.maxHeaderFieldCount = 100
        return ByteToMessageHandler(
            HTTPResponseDecoder(leftOverBytesStrategy: .forwardBytes, limitConfiguration: limits))
    }
}
