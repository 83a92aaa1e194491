/// Who has a `WebSocketConnection` to itself, without streams: a client of a conformance suite (`Tests/Autobahn`).
///
/// All that the connection does with frames, pings and closes is the same with it as with a stream. The worker has none: in
/// it, data for nobody ends the connection. Every call comes on the connection's event loop.
protocol BareWebSocketUser: AnyObject {
    /// A whole message, of one frame or of several. The bytes are valid during the call only.
    func received(_ message: UnsafeRawBufferPointer, isBinary: Bool, on connection: WebSocketConnection)
    /// Closed for good, or never opened. There is no other call after it.
    func connectionEnded()
}
