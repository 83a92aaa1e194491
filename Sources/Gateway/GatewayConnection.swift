import ChatModel
import NIOCore

/// What a stream and the pool need of a connection, whichever protocol it speaks: `WebSocketConnection` and
/// `EventStreamConnection`. Bound to its event loop; it serves one stream at a time.
protocol GatewayConnection: AnyObject {
    /// The requests that it can be used for: idle connections are kept under this name.
    var poolKey: String { get }
    var openedAt: NIODeadline { get }
    /// The key that its request has.
    var key: Int { get }
    /// Of one that no stream waits for: told once whether it came about, with the connection where it can be used.
    var whenSetUp: (((any GatewayConnection)?, GatewayFailure?) -> Void)? { get set }
    /// Whom it serves; `nil`: it is idle, or on its way out.
    var stream: GatewayStream? { get }
    /// Whose chunks are awaited.
    var identity: AnswerIdentity { get set }
    /// All that comes is of the answer that was asked for, whatever ids its chunks have.
    var isOneAnswer: Bool { get }
    /// Of its last handler, while that is in a pipeline.
    var context: ChannelHandlerContext? { get }
    /// The channel asked for a read while the stream was paused.
    var isReadHeld: Bool { get set }
    /// The refusal whose body is still coming.
    var pendingRefusal: GatewayFailure? { get }

    /// Opens it for the stream that it was made for, which hears of `connectionReady` or `connectionFailed`.
    func connect(trace: TraceContext?)
    /// It did not come about.
    func setUpFailed(_ failure: GatewayFailure)
    /// Asks an idle connection for a sign of life, where the protocol can; `GatewayLoop.ponged` hears of it.
    func ping()
    /// Gives an idle connection to a stream. `false`: it has died.
    func attach(_ stream: GatewayStream) -> Bool
    /// Sends the request.
    ///
    /// - Parameters:
    ///   - trace: for protocols whose every request has headers.
    ///   - flushed: runs on the loop once its last byte was handed to the kernel.
    func send(_ body: ByteBuffer, trace: TraceContext?, flushed: @escaping () -> Void)
    /// Reading may go on: what was held back is handed out first.
    func resume()
    /// The stream is over; the connection goes back to the pool, or away.
    func release(_ farewell: GatewayStreamMachine.Farewell)
    /// Nobody wants it any more: says goodbye, where the protocol has a word for it, and closes.
    func retire()
    /// Closes at once.
    func abort()
}
