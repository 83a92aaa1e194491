import NIOCore

/// What a stream and the pool need of a connection, whichever protocol it speaks: `WebSocketConnection` and
/// `EventStreamConnection`. Bound to its event loop; it serves one stream at a time.
protocol GatewayConnection: AnyObject {
    /// The requests that it can be used for: idle connections are kept under this name.
    var poolKey: String { get }
    var openedAt: NIODeadline { get }
    /// Whom it serves; `nil`: it is idle, or on its way out.
    var stream: GatewayStream? { get }
    /// Whose chunks are awaited.
    var identity: AnswerIdentity { get set }
    /// The refusal whose body is still coming.
    var pendingRefusal: GatewayFailure? { get }

    /// Opens it for the stream that it was made for, which hears of `connectionReady` or `connectionFailed`.
    func connect(traceparent: String?)
    /// Gives an idle connection to a stream. `false`: it has died.
    func attach(_ stream: GatewayStream) -> Bool
    /// Sends the request.
    ///
    /// - Parameters:
    ///   - traceparent: for protocols whose every request has headers.
    ///   - flushed: runs on the loop once its last byte was handed to the kernel.
    func send(_ body: ByteBuffer, traceparent: String?, flushed: @escaping () -> Void)
    /// Reading may go on: what was held back is handed out first.
    func resume()
    /// The stream is over; the connection goes back to the pool, or away.
    func release(_ farewell: GatewayStreamMachine.Farewell)
    /// Nobody wants it any more: says goodbye, where the protocol has a word for it, and closes.
    func retire()
    /// Closes at once.
    func abort()
}
