/// The protocols that a stream travels over.
enum TestTransport: String, Sendable, CaseIterable {
    case websocket
    /// Server-sent events over HTTP/1.1.
    case http1
    /// Server-sent events over HTTP/2, with TLS.
    case http2
}
