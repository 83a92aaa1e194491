internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import NIOSSL
internal import PeerChecks

/// Sorts what the HTTP client throws into the kinds of an outcome.
enum PostFailure {
    /// The peer is not an address that was vetted for this connection.
    struct UnvettedPeer: Error {}

    /// - Parameter requestStarted: whether the connection stood already when it failed.
    /// - Returns: the kind, and one line for the log that holds nothing of what the endpoint sent.
    static func classify(
        _ error: any Error, requestStarted: Bool
    ) -> (kind: WebhookOutcome.Kind, detail: String) {
        switch error {
        case let error as HTTPClientError:
            return (self.kind(error), self.oneLine(error.shortDescription))
        case is AnswerSizeLimiter.AnswerTooLong:
            return (.invalidResponse, "the answer is too long")
        case is ServerIdentity.NameMismatch:
            return (.tls, "the certificate is not for this name")
        case let error as AnswerOrder.InvalidAnswer:
            return (.invalidResponse, self.oneLine("\(error)"))
        case is StaleConnection:
            return (.closed, "the connection was closed")
        case is UnvettedPeer:
            return (.refused, "the connection's peer is not the address that was vetted")
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError:
            return (requestStarted ? .closed : .tls, self.oneLine("\(error)"))
        case ChannelError.connectTimeout(_):
            return (.timeout, "no connection in time")
        case let error as IOError:
            let kind: WebhookOutcome.Kind = requestStarted ? .closed : .connect
            return (kind, "errno \(error.errnoCode)")
        case is HTTPParserError:
            return (.invalidResponse, self.oneLine("\(error)"))
        case is ChannelError, is NIOConnectionError, is SocketAddressError:
            return (requestStarted ? .closed : .connect, self.oneLine("\(type(of: error))"))
        case is CancellationError:
            return (.abandoned, "cancelled")
        default:
            return (requestStarted ? .invalidResponse : .connect, self.oneLine("\(type(of: error))"))
        }
    }

    /// What the proxy is to blame for, or the way to it, before a byte of the request could leave. Behind the tunnel (TLS)
    /// it is the endpoint's affair again.
    static func proxys(_ error: any Error) -> (kind: WebhookOutcome.Kind, detail: String)? {
        switch error {
        case let error as HTTPClientError: self.proxys(error)
        case is NIOConnectionError:
            (.proxyDown, "there is no connection to the proxy: look at webhooks.proxy")
        case is HTTPParserError: (.proxyRefused, "what the proxy answered is no HTTP")
        default: nil
        }
    }

    private static func proxys(_ error: HTTPClientError) -> (kind: WebhookOutcome.Kind, detail: String)? {
        switch error {
        case .proxyAuthenticationRequired:
            (.proxyDown, "the proxy wants other credentials (407): look at webhooks.proxy_credentials_file")
        // Of the proxy, or of the endpoint behind it: the client tells the two apart by chance.
        case .connectTimeout, .httpProxyHandshakeTimeout: (.proxyRefused, "no connection through the proxy in time")
        case .invalidProxyResponse: (.proxyRefused, "the proxy does not connect to the host; its log says why")
        case .remoteConnectionClosed:
            (.proxyRefused, "the proxy closed the connection instead of connecting to the host")
        default: nil
        }
    }

    /// Whether the peer had given up a connection before it looked at the request: then another connection may do.
    static func isStale(_ error: any Error, requestStarted: Bool) -> Bool {
        if error is StaleConnection { return true }
        guard !requestStarted else { return false }
        // It was lost between its last request and this one.
        if case ChannelError.ioOnClosedChannel = error { return true }
        // The second is what the client says of a connection of HTTP/2 that is going away.
        let error = error as? HTTPClientError
        return error == .remoteConnectionClosed || error == .cancelled
    }

    private static func kind(_ error: HTTPClientError) -> WebhookOutcome.Kind {
        switch error {
        case .connectTimeout, .tlsHandshakeTimeout, .deadlineExceeded, .readTimeout, .writeTimeout,
            .getConnectionFromPoolTimeout:
            .timeout
        case .remoteConnectionClosed: .closed
        case .cancelled, .alreadyShutdown: .abandoned
        default: .invalidResponse
        }
    }

    private static func oneLine(_ text: String) -> String {
        let printable = text.utf8.prefix(200).map { (0x20...0x7e).contains($0) ? $0 : UInt8(ascii: " ") }
        return String(decoding: printable, as: UTF8.self)
    }
}
