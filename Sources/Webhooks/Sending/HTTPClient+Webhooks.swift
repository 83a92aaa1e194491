internal import AsyncHTTPClient
internal import NIOCore
internal import NIOSSL

extension TLSConfiguration {
    /// TLS 1.2 or later, and the CAs that the configuration names.
    ///
    /// - Throws: `NIOSSLError` where their file cannot be read.
    static func webhooks(_ configuration: WebhookConfiguration) throws -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        // A peer that never says goodbye delays a stop no longer than this; NIOSSL's own 5 s are all that a stop has.
        tls.shutdownTimeout = .seconds(2)
        tls.trustRoots = try TrustedCertificates.load(file: configuration.certificateAuthorityFile)
        return tls
    }
}

extension HTTPClient.Configuration {
    /// Of every client that posts webhooks: no redirects, nothing unpacked, no retries of its own.
    static func webhooks(_ configuration: WebhookConfiguration, tls: TLSConfiguration) -> Self {
        var http = HTTPClient.Configuration(
            tlsConfiguration: tls,
            redirectConfiguration: .disallow,
            // Half of the time for one address, so that there is some left for the next.
            timeout: .init(connect: .nanoseconds((configuration.timeout / 2).wholeNanoseconds)),
            connectionPool: .init(idleTimeout: PinnedClients.connectionIdleTime),
            decompression: .disabled)
        // A failed connection is this try's result; when to try again is decided elsewhere.
        http.connectionPool.retryConnectionEstablishment = false
        // Waiting for a connection would be counted as the endpoint's slowness; slow posts of one path hold theirs while
        // those of another on the same host go on.
        http.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit =
            max(1, configuration.concurrency) + max(0, configuration.slowConcurrency)
        // The client cannot speak TLS to a proxy itself, only through it.
        if let proxy = configuration.proxy {
            http.proxy = .server(
                host: proxy.host, port: proxy.port,
                authorization: proxy.credentials.map { .basic(username: $0.user, password: $0.password) })
        }
        return http
    }
}
